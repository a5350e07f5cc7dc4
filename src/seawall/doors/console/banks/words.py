"""Banks and signals in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from seawall.matching.checks import BankError
from seawall.matching.model import BankKind, SignalStatus
from seawall.matching.models import Bank, ListedSignal
from seawall.members.models import Person

#: A list shows the beginning of a long value, note or row of labels; the signal's own page has all of it.
LONGEST_SHOWN = 90
#: Enough of a hash to tell it from others, and of an address to recognise it.
LONGEST_VALUE_SHOWN = 40

KINDS = {
    BankKind.LISTED: lazy("Listed: a match stops an upload, as its rules say."),
    BankKind.KNOWN_SAFE: lazy(
        "Known-safe: a match is never stopped. For pictures that are wrongly taken for listed ones again and again."
    ),
    BankKind.NO_LOOK: lazy(
        "No-look: for CSAM and intimate images. A match is refused, and nobody is shown anything of it. It needs your "
        "reporting duty."
    ),
}
KIND_NAMES = {
    BankKind.LISTED: lazy("listed"),
    BankKind.KNOWN_SAFE: lazy("known-safe"),
    BankKind.NO_LOOK: lazy("no-look"),
}
ACTIONS = {
    "allow": lazy("Allow: the upload is published. The match is recorded."),
    "hold": lazy("Hold: the upload is not published until a person has looked."),
    "block": lazy(
        "Block: the upload is refused at once, but only where people confirmed the signal or you trust the bank. "
        "Everything else is held."
    ),
}
ACTION_NAMES = {"allow": lazy("allow"), "hold": lazy("hold"), "block": lazy("block")}

#: What to do next, in the console, where the room's own words name a command.
NEXT_STEPS = {
    "too_many": lazy("put them into a list file and import that"),
    "unknown_bank": lazy("go back to all banks"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A signal in a list. `state` is active, muted, disputed or withdrawn."""

    signal_id: str
    type: str
    value: str
    state: str
    muted_until: datetime | None
    labels: str
    source: str
    note: str
    confirmed_by: int
    low_quality: bool


def refusal(error: BankError) -> str:
    """Why nothing was changed and what to do, as a sentence."""
    said = f"{error.text}; {NEXT_STEPS.get(error.code, error.next_step)}"
    return f"{said[:1].upper()}{said[1:]}."


def state_of(row: ListedSignal, now: datetime) -> str:
    if row.status == SignalStatus.WITHDRAWN:
        return "withdrawn"
    if row.muted_until is not None and row.muted_until > now:
        return "muted"
    return "disputed" if row.disputed else "active"


def lines(bank: Bank, rows: Iterable[ListedSignal], now: datetime) -> list[Line]:
    """The signals as a list shows them. Of a no-look bank neither values nor anybody's words about them."""
    shows = bank.kind != BankKind.NO_LOOK
    return [
        Line(
            signal_id=row.signal_id,
            type=row.type,
            value=cut(row.value, LONGEST_VALUE_SHOWN) if shows else "",
            state=state_of(row, now),
            muted_until=row.muted_until,
            labels=cut(", ".join(row.labels)),
            source=cut(row.source) if shows else "",
            note=cut(row.note) if shows else "",
            confirmed_by=len(row.confirmed_by),
            low_quality=row.quality is not None and row.quality < 50,
        )
        for row in rows
    ]


def cut(text: str, most: int = LONGEST_SHOWN) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def source_of(bank: Bank) -> str:
    """Whose list it is."""
    return bank.listed_by or (_("Seawall itself") if bank.created_by == "system" else _("your own list"))


def names_of(ids: Iterable[str]) -> dict[str, str]:
    """What these people are called; what is no person keeps its id, the program itself is called so."""
    wanted = set(ids)
    found: dict[str, str] = dict(Person.objects.filter(id__in=wanted).values_list("id", "name")) if wanted else {}
    return {one: found.get(one) or (_("Seawall itself") if one == "system" else one) for one in wanted}
