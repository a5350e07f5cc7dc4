"""Lists that others keep and that one can apply to, as dated data (`sources.json`).

Facts of other organisations change without telling us, so each entry has a date, and what nobody told us says so.
"""

import functools
from datetime import date
from importlib import resources

import msgspec

#: What an entry says where the fact was not found. Never a guess.
UNKNOWN = "unknown"


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One list: `as_of` is the day its facts were last looked up, `address` where to apply or ask.

    `no_look` lists hold material that nobody may view: Seawall takes them only into a no-look bank, with a reporting
    duty named. `use` says how its entries get into a bank today.
    """

    id: str
    name: str
    run_by: str
    lists: str
    who_may_join: str
    requirements: tuple[str, ...]
    waiting_time: str
    cost: str
    address: str
    use: str
    note: str
    as_of: date
    no_look: bool = False


@functools.cache
def sources() -> tuple[Source, ...]:
    """Every source, those for terrorist content first."""
    text = resources.files("seawall.matching").joinpath("sources.json").read_bytes()
    return msgspec.json.decode(text, type=tuple[Source, ...])
