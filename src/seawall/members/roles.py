"""What a person may do in the console: a role is a name for a set of rights."""

from enum import StrEnum


class Right(StrEnum):
    """One kind of thing that can be done. Pages ask for rights, never for roles."""

    #: See the home page, lists, log and health, and try what would happen to a file.
    LOOK = "look"
    #: See held content, release and refuse it.
    DECIDE = "decide"
    #: Add, mute, confirm and withdraw listed signals.
    LIST = "list"
    #: Change banks' rules, policy, surfaces, keys, people and mail.
    CONFIGURE = "configure"


class Role(StrEnum):
    #: Whoever runs this installation; there is exactly one.
    OWNER = "owner"
    MODERATOR = "moderator"
    #: An auditor, a researcher, a colleague who learns: sees, and changes nothing.
    READER = "reader"

    @property
    def rights(self) -> frozenset[Right]:
        return _RIGHTS[self]


_RIGHTS = {
    Role.OWNER: frozenset(Right),
    Role.MODERATOR: frozenset({Right.LOOK, Right.DECIDE, Right.LIST}),
    Role.READER: frozenset({Right.LOOK}),
}
