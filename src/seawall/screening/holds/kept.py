"""The bytes of held uploads: shown to whoever decides, and destroyed when nobody needs them any more."""

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from django.db import transaction

from seawall.record.events import HoldLooked
from seawall.record.generation import began_at
from seawall.record.ids import id_time
from seawall.record.journal import record
from seawall.screening.holds.model import HoldError, HoldPhase, Revealed
from seawall.screening.holds.rows import require_actor, require_id
from seawall.screening.ledger.held import HeldName
from seawall.screening.ledger.ledger import Ledger
from seawall.screening.ledger.model import KeyDestroyed, LedgerDamaged
from seawall.screening.ledger.storage import StorageFailed
from seawall.screening.models import Hold
from seawall.screening.recording import HeldPart
from seawall.signals.extract import preview_of
from seawall.signals.jail import Boundary
from seawall.signals.model import Kind, Part

_log = logging.getLogger("seawall.holds")

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


def names(ledger: Ledger, screening_id: str) -> tuple[HeldName, ...]:
    """What was kept of an upload, for a page that shows nothing of it: its bytes stay enciphered.

    Raises:
        LedgerDamaged: it is not what was written.
    """
    return ledger.held.names(screening_id)


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
    kept = len(names(ledger, screening_id))
    if not 0 <= number < kept:
        text = f"{screening_id} has {kept} parts that were kept."
        raise HoldError("no_preview", text, "Decide from the reasons, or ask the platform for the upload.")
    event = HoldLooked(by=by, screening=screening_id, part=number, clear=clear)
    require_actor(event)
    with transaction.atomic():
        record(event, now=now)
    return _revealed(number, ledger.held.part(screening_id, number), clear=clear, jail=jail)


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
    Bytes older than the database are not ours to judge: with a wrong SEAWALL_DATABASE_URL, or none, a start would
    otherwise destroy what people still have to decide about.
    """
    ledger.keys.sweep(now=now)
    ledger.held.sweep(now=now)
    began = began_at() or now
    count = foreign = 0
    for ids in _chunks(ledger.held.ids()):
        found = {hold.screening_id: hold for hold in Hold.objects.filter(screening_id__in=ids)}
        for screening_id in ids:
            hold = found.get(screening_id)
            needed = _may_be_recorded(ledger, screening_id, now) if hold is None else _is_needed(hold, now)
            if needed:
                continue
            if hold is None and id_time("scr", screening_id) < began:
                foreign += 1
                continue
            ledger.held.destroy(screening_id)
            count += 1
    _tell_foreign(ledger, foreign)
    over = Hold.objects.filter(keep_bytes_until__lte=now)
    over.update(keep_bytes_until=None, has_preview=False)
    return count


def _tell_foreign(ledger: Ledger, count: int) -> None:
    """Once, not each minute."""
    if count and count != ledger.foreign_bytes:
        _log.warning(
            "the bytes of %d held uploads are older than this database, which does not know them; they stay. "
            "Is it the right database (SEAWALL_DATABASE_URL)?",
            count,
        )
    ledger.foreign_bytes = count


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
