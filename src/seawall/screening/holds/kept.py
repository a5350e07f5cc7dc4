"""The bytes of held uploads: shown to whoever decides, and destroyed when nobody needs them any more."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from django.db import transaction

from seawall.record.events import HoldLooked
from seawall.record.ids import id_time
from seawall.record.journal import record
from seawall.screening.holds.model import HoldError, HoldPhase, Revealed
from seawall.screening.holds.rows import require_actor, require_id
from seawall.screening.ledger.ledger import Ledger
from seawall.screening.ledger.model import KeyDestroyed, LedgerDamaged
from seawall.screening.ledger.storage import StorageFailed
from seawall.screening.models import Hold
from seawall.screening.recording import HeldPart
from seawall.signals.extract import preview_of
from seawall.signals.jail import Boundary
from seawall.signals.model import Kind, Part

#: Held bytes this young may belong to a verdict that is just being recorded.
IN_FLIGHT = timedelta(hours=1)

#: Holds asked for in one query; below SQLite's limit on the number of parameters.
ASKED_AT_ONCE = 500

#: Of a longer text the beginning is shown: a page with a megabyte of text helps nobody to decide.
LONGEST_SHOWN = 20_000


def parts(ledger: Ledger, screening_id: str) -> tuple[HeldPart, ...]:
    """The held upload, deciphered, for the person who decides about it or about an appeal; empty for a hash-only hold,
    once it was released, or once the appeal window of its refusal is over.
    """
    return ledger.held.parts(screening_id)


def reveal(
    ledger: Ledger, screening_id: str, number: int, *, clear: bool, by: str, jail: Boundary, now: datetime
) -> Revealed:
    """One part of a held upload (`number` from 0) as it may be shown to `by`, after noting that it was.

    A picture comes as a small JPEG made here, grey and blurred unless `clear`; nothing of the file itself is shown.

    Raises:
        HoldError: unknown_screening (no such hold), no_preview (no bytes, or no such part), or bad_actor.
        LedgerDamaged: the bytes are not what was written.
    """
    require_id(screening_id)
    if not Hold.objects.filter(screening_id=screening_id).exists():
        text = f"There is no hold {screening_id}."
        raise HoldError("unknown_screening", text, "It may have been dropped with its day.")
    held = parts(ledger, screening_id)
    if not 0 <= number < len(held):
        text = f"{screening_id} has {len(held)} parts that were kept."
        raise HoldError("no_preview", text, "Decide from the reasons, or ask the platform for the upload.")
    event = HoldLooked(by=by, screening=screening_id, part=number, clear=clear)
    require_actor(event)
    with transaction.atomic():
        record(event, now=now)
    return _revealed(number, held[number], clear=clear, jail=jail)


def _revealed(number: int, part: HeldPart, *, clear: bool, jail: Boundary) -> Revealed:
    picture, text, problems = None, None, []
    if part.kind is Kind.IMAGE:
        preview = preview_of(Part(name=part.name, kind=part.kind, data=part.data), jail, clear=clear)
        picture, problems = preview.picture, [gap.text for gap in preview.gaps]
    elif part.kind in {Kind.TEXT, Kind.URL}:
        whole = part.data.decode("utf-8", "replace")
        text = whole[:LONGEST_SHOWN]
        if len(whole) > len(text):
            problems.append(f"Only the first {LONGEST_SHOWN} of {len(whole)} characters are shown.")
    else:
        problems.append(f"This version shows no {part.kind} files: ask the platform for the upload.")
    return Revealed(
        number=number,
        name=part.name,
        kind=part.kind,
        size=len(part.data),
        picture=picture,
        text=text,
        problems=tuple(problems),
    )


def sweep(ledger: Ledger, *, now: datetime) -> int:
    """Destroy bytes that nobody needs any more; returns of how many holds.

    Needed are those of holds that wait, and of refused ones until their appeal window ends. A crash leaves others.
    """
    ledger.keys.sweep(now=now)
    ledger.held.sweep(now=now)
    count = 0
    for ids in _chunks(ledger.held.ids()):
        found = {hold.screening_id: hold for hold in Hold.objects.filter(screening_id__in=ids)}
        for screening_id in ids:
            hold = found.get(screening_id)
            needed = _may_be_recorded(ledger, screening_id, now) if hold is None else _is_needed(hold, now)
            if not needed:
                ledger.held.destroy(screening_id)
                count += 1
    over = Hold.objects.filter(keep_bytes_until__lte=now)
    over.update(keep_bytes_until=None, has_preview=False)
    return count


def _is_needed(hold: Hold, now: datetime) -> bool:
    return hold.state == HoldPhase.WAITING or (hold.keep_bytes_until is not None and now < hold.keep_bytes_until)


def _may_be_recorded(ledger: Ledger, screening_id: str, now: datetime) -> bool:
    """Whether bytes without a hold may get one. A row that cannot be read is a row: its bytes stay, and do not keep
    others from being swept.
    """
    try:
        return now - id_time("scr", screening_id) <= IN_FLIGHT or ledger.read(screening_id) is not None
    except (LedgerDamaged, KeyDestroyed, StorageFailed):
        return True


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while chunk := list(islice(rest, ASKED_AT_ONCE)):
        yield chunk
