"""The events that rooms record: what happened, typed, named `source:subject:verb`, never with anyone's content in them.

To add one, write a class below: its `name` registers it. Fields hold ids, counts, digests and short codes. What people
wrote or uploaded, and free text, stays in the room's own tables.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec

from seawall.record import canonical_json
from seawall.record.canonical_json import BadJson

_NAME = re.compile(r"[a-z]+(_[a-z]+)*(:[a-z]+(_[a-z]+)*){2}")

#: An id or a short code. Without white space, `@` and capitals, no sentence and no mail address passes as one.
Code: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9_.:-]{0,99}\Z")]
#: A reason as a code such as `not_a_match`, or nothing.
Reason: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9_.:-]{0,100}\Z")]
#: SHA-256 in lower-case hex.
Digest: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
#: A UTC day such as `2026-11-23`.
Day: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A\d{4}-\d{2}-\d{2}\Z")]
#: A moment as `rfc3339` writes it.
Moment: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z\Z")]
#: What the owner calls a bank.
Title: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class BadEvent(ValueError):
    """The event does not have its class's form; the message names the field and what it should hold."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What every event has: who did it (`by`: an id such as `per_…` or `key_…`, or `system`), and `extra`, the fields
    that a later version wrote and this one does not know.
    """

    name: ClassVar[str] = ""
    schema: ClassVar[int] = 1

    by: Code
    extra: dict[str, Any] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not cls.name:
            return
        if not _NAME.fullmatch(cls.name):
            raise ValueError(f"{cls.__qualname__}: an event's name is source:subject:verb, not {cls.name!r}")
        if EVENTS.setdefault(cls.name, cls) is not cls:
            raise ValueError(f"{cls.__qualname__}: {EVENTS[cls.name].__qualname__} is already called {cls.name}")


#: Every event class by its name.
EVENTS: dict[str, type[Event]] = {}


class Unrecognised(Event, frozen=True, kw_only=True):
    """An event of a later version: an unknown name or a newer schema. It is carried whole in `extra`."""

    written_name: str
    written_schema: int


class BankCreated(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "matching:bank:created"
    bank: Code
    title: Title


class BankRenamed(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "matching:bank:renamed"
    bank: Code
    title: Title


class BankRetired(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "matching:bank:retired"
    bank: Code


class BankChanged(Event, frozen=True, kw_only=True):
    """Attributes that decide what a match does. `changed` maps each attribute to its new value."""

    name: ClassVar[str] = "matching:bank:changed"
    bank: Code
    changed: dict[str, str | int | bool | list[str] | None]


class SignalsAdded(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "matching:signals:added"
    bank: Code
    signals: list[Code]
    count: Count


class SignalsImported(Event, frozen=True, kw_only=True):
    """A whole list in one event: `digest` is SHA-256 over its rows, `errors` how many lines were refused."""

    name: ClassVar[str] = "matching:signals:imported"
    bank: Code
    import_id: Code
    count: Count
    digest: Digest
    errors: Count


class SignalWithdrawn(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "matching:signal:withdrawn"
    signal: Code
    bank: Code
    reason: Reason = ""


class SignalMuted(Event, frozen=True, kw_only=True):
    """`until` None lifts the mute."""

    name: ClassVar[str] = "matching:signal:muted"
    signal: Code
    bank: Code
    until: Moment | None


class SignalConfirmed(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "matching:signal:confirmed"
    signal: Code
    bank: Code


class SignalDisputed(Event, frozen=True, kw_only=True):
    """`disputed` False settles the dispute."""

    name: ClassVar[str] = "matching:signal:disputed"
    signal: Code
    bank: Code
    disputed: bool


class PolicySaved(Event, frozen=True, kw_only=True):
    """`digest` is SHA-256 of the policy's canonical JSON."""

    name: ClassVar[str] = "screening:policy:saved"
    policy: Code
    version: Count
    digest: Digest


class SurfaceSaved(Event, frozen=True, kw_only=True):
    """`digest` is SHA-256 of the surface's canonical JSON."""

    name: ClassVar[str] = "screening:surface:saved"
    surface: Code
    digest: Digest


class BatchesRecorded(Event, frozen=True, kw_only=True):
    """Group commits of the screening ledger, numbered from `first` on: of each how many rows, and SHA-256 over them.

    All that came to be since the last look share one event, so that a busy ledger does not fill the log.
    """

    name: ClassVar[str] = "screening:batches:recorded"
    day: Day
    family: Code
    first: Count
    batches: list[tuple[Count, Digest]]


class HoldResolved(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "screening:hold:resolved"
    screening: Code
    outcome: Literal["released", "refused", "expired"]
    reason: Reason = ""


class PersonAsked(Event, frozen=True, kw_only=True):
    """The person concerned asked, over the link in the verdict, for a person to look; `by` is `uploader`.

    `claim` is why, as a code, or empty. `opened`: nothing waited for a person any more or yet, and now it does.
    """

    name: ClassVar[str] = "screening:person:asked"
    screening: Code
    claim: Reason = ""
    opened: bool


class HoldLooked(Event, frozen=True, kw_only=True):
    """Somebody had part number `part` (from 0) of a held upload shown; `clear` False means greyed and blurred."""

    name: ClassVar[str] = "screening:hold:looked"
    screening: Code
    part: Count
    clear: bool


class DayDropped(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "screening:day:dropped"
    day: Day
    family: Code


class KeyIssued(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "members:key:issued"
    key: Code
    scopes: list[Code]
    surfaces: list[Code] | None
    expires_at: Moment | None


class KeyRevoked(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "members:key:revoked"
    key: Code
    reason: Reason = ""


class EventForgotten(Event, frozen=True, kw_only=True):
    """Salt and body of `event` were destroyed by whoever may; without this event their absence is damage."""

    name: ClassVar[str] = "record:event:forgotten"
    event: Code


class OwnerCreated(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "members:owner:created"
    person: Code


class PersonAdded(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "members:person:added"
    person: Code
    role: Code


class PersonChanged(Event, frozen=True, kw_only=True):
    """Name, role or when they get mail; `role` is the one they have now."""

    name: ClassVar[str] = "members:person:changed"
    person: Code
    role: Code


class PersonLeft(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "members:person:left"
    person: Code


class SetupLinkMade(Event, frozen=True, kw_only=True):
    """A one-time link with which `person` may make or renew their account."""

    name: ClassVar[str] = "members:setup_link:made"
    person: Code


class AccountSet(Event, frozen=True, kw_only=True):
    """`person` made an account, or renewed its address, password and second factors, with a set-up link."""

    name: ClassVar[str] = "members:account:set"
    person: Code


class SetUp(Event, frozen=True, kw_only=True):
    """The owner went through the wizard."""

    name: ClassVar[str] = "members:instance:set_up"


class InstanceNamed(Event, frozen=True, kw_only=True):
    """What this installation is called changed; the name itself is free text and stays in its table."""

    name: ClassVar[str] = "members:instance:named"


class SignInChanged(Event, frozen=True, kw_only=True):
    """`person` changed how they sign in. `what` is `password`, or a kind of second factor and what became of it, such
    as `totp_added` or `webauthn_removed`.
    """

    name: ClassVar[str] = "members:sign_in:changed"
    person: Code
    what: Code


class MailServerChosen(Event, frozen=True, kw_only=True):
    """Mail goes through another server, or as `security` says in another way: `tls`, `starttls`, `none` or `off`."""

    name: ClassVar[str] = "delivery:mail_server:chosen"
    security: Code


def fields_of(event: Event) -> dict[str, Any]:
    """The event's fields as JSON values, those of `extra` among them; BadEvent names the first bad one."""
    try:
        checked = msgspec.convert(msgspec.to_builtins(event), type(event))
        known: dict[str, Any] = msgspec.to_builtins(checked)
        extra: dict[str, Any] = known.pop("extra")
        if isinstance(event, Unrecognised):
            del known["written_name"], known["written_schema"]
        if clash := known.keys() & extra.keys():
            raise BadEvent(f"{event.name}: {sorted(clash)} stand among the unknown fields and are known")
        fields = known | extra
        canonical_json.encode(fields)
    except (msgspec.ValidationError, TypeError, BadJson) as error:
        raise BadEvent(f"{event.name or type(event).__name__}: {error}") from error
    return fields


def encode(event: Event) -> bytes:
    """Canonical JSON of the event's fields; BadEvent when a field does not hold what its type says."""
    return canonical_json.encode(fields_of(event))


def written_as(event: Event) -> tuple[str, int]:
    """The name and schema number that the event is stored under."""
    if isinstance(event, Unrecognised):
        return event.written_name, event.written_schema
    return event.name, event.schema


def decode(name: str, schema: int, body: bytes) -> Event:
    """The event in a body that `encode` wrote, here or in another version; BadEvent for anything else."""
    try:
        return from_fields(name, schema, canonical_json.decode(body))
    except BadJson as error:
        raise BadEvent(f"{name}: {error}") from error


def from_fields(name: str, schema: int, fields: Mapping[str, Any]) -> Event:
    """As `decode`, from the JSON object."""
    known = EVENTS.get(name)
    try:
        if known is None or schema > known.schema:
            extra = {key: value for key, value in fields.items() if key != "by"}
            carried = {"by": fields.get("by"), "written_name": name, "written_schema": schema, "extra": extra}
            return msgspec.convert(carried, Unrecognised)
        names = set(known.__struct_fields__) - {"extra"}
        extra = {key: value for key, value in fields.items() if key not in names}
        return msgspec.convert({key: fields[key] for key in names & fields.keys()} | {"extra": extra}, known)
    except msgspec.ValidationError as error:
        raise BadEvent(f"{name}: {error}") from error
