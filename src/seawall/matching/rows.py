"""Reading the banks for the index: all signals in force, or what changed since a generation."""

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from django.db import connection
from django.db.models import QuerySet

from seawall.matching.index import DIGEST_BYTES, ID_BYTES, Rows, rows_of
from seawall.matching.model import Attributes, IndexedSignal
from seawall.matching.models import Bank, Import, ListedSignal
from seawall.matching.sql import FIRST, id_bytes, id_parameter, moment, statement

#: More changed signals than this are cheaper to fold into the next snapshot than to carry in every gate's memory.
MOST_CHANGES = 2_000

#: Rows fetched at once.
PAGE = 20_000

#: Distinct sets of raw columns that are remembered; signals that people added have one each.
_MOST_REMEMBERED = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """`removed` are the ids that no longer match as they did; `added` those of them that match now, as they are now."""

    removed: tuple[str, ...]
    added: tuple[IndexedSignal, ...]


def indexed_signals() -> Iterator[IndexedSignal]:
    """Every signal in force: visible, not withdrawn, in a bank in use. Muted ones too: they say until when.

    What changes while this is read may or may not be in it; read the generation first and ask `changed_since` for it.
    """
    for signal_id, type_name, value, _, attributes in _in_force():
        yield IndexedSignal(
            signal_id=f"sig_{UUID(bytes=signal_id)}", type=type_name, value=value, attributes=attributes
        )


def index_rows() -> Rows:
    """The same as columns for `Index`, some times faster than building them from `indexed_signals`."""
    numbers: dict[Attributes, int] = {}
    by_type: dict[str, tuple[bytearray, bytearray, array[int]]] = {}
    for signal_id, type_name, _, digest, attributes in _in_force():
        found = by_type.get(type_name)
        if found is None:
            found = by_type[type_name] = (bytearray(), bytearray(), array("I"))
        digests, ids, attribute_of = found
        digests += digest if len(digest) == DIGEST_BYTES else digest.ljust(DIGEST_BYTES, b"\0")
        ids += signal_id
        attribute_of.append(numbers.setdefault(attributes, len(numbers)))
    columns = {
        type_name: (
            np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES),
            np.frombuffer(ids, np.uint8).reshape(-1, ID_BYTES),
            np.frombuffer(attribute_of, np.uint32),
        )
        for type_name, (digests, ids, attribute_of) in by_type.items()
    }
    return rows_of(columns, tuple(numbers))


def changed_since(generation: int, *, limit: int = MOST_CHANGES) -> Changes | None:
    """What changed after this generation of "banks"; None when it is more than `limit` signals."""
    imports = Import.objects.filter(changed__gt=generation, added__gt=0)
    banks = Bank.objects.filter(changed__gt=generation)
    rows = ListedSignal.objects.all()
    changed: set[UUID] = set()
    for some in (
        rows.filter(changed__gt=generation),
        rows.filter(imported_in__in=list(imports.values_list("number", flat=True))),
        rows.filter(bank__in=list(banks.values_list("number", flat=True))),
    ):
        changed.update(_ids(some, limit + 1))
        if len(changed) > limit:
            return None
    return Changes(removed=tuple(f"sig_{one}" for one in sorted(changed)), added=tuple(_present(changed)))


def banks_in_use() -> list[Bank]:
    """The banks whose rules the gate must know, by name."""
    return list(Bank.objects.filter(retired_at=None).order_by("name"))


def _ids(rows: QuerySet[ListedSignal], most: int) -> list[UUID]:
    return list(rows.order_by().values_list("id", flat=True)[:most])


#: id (16 bytes), type, value, digest, attributes.
_Read = tuple[bytes, str, str, bytes, Attributes]


def _in_force() -> Iterator[_Read]:
    """Page by page in order of ids, so that neither database holds a transaction open or the client all rows."""
    read = _reader()
    after = FIRST
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement("page"), [id_parameter(after), PAGE])
            page = cursor.fetchall()
        if not page:
            return
        yield from read(page)
        after = UUID(bytes=id_bytes(page[-1][0]))


def _present(ids: Iterable[UUID]) -> Iterator[IndexedSignal]:
    """Those of the signals that are in force."""
    read = _reader()
    wanted = sorted(ids)
    with connection.cursor() as cursor:
        for signal_id in wanted:
            # One look-up by primary key each: at most `limit`, and no list of parameters that a database could refuse.
            cursor.execute(statement("one"), [id_parameter(signal_id)])
            for raw_id, type_name, value, _, attributes in read(cursor.fetchall()):
                yield IndexedSignal(
                    signal_id=f"sig_{UUID(bytes=raw_id)}", type=type_name, value=value, attributes=attributes
                )


def _reader() -> Callable[[Iterable[tuple[Any, ...]]], Iterator[_Read]]:
    """Reads raw rows, leaving out what is not visible or in a retired bank. Equal attributes come as one object."""
    names = dict(Bank.objects.filter(retired_at=None).values_list("number", "name"))
    visible: set[int | None] = {None, *Import.objects.exclude(visible_at=None).values_list("number", flat=True)}
    remembered: dict[tuple[Any, ...], Attributes] = {}
    shared: dict[Attributes, Attributes] = {}

    def read(rows: Iterable[tuple[Any, ...]]) -> Iterator[_Read]:
        for raw_id, imported_in, number, type_name, value, digest, *rest in rows:
            if imported_in not in visible or number not in names:
                continue
            key = (number, *rest)
            attributes = remembered.get(key)
            if attributes is None:
                made = _attributes(names[number], *rest)
                attributes = shared.setdefault(made, made)
                if len(remembered) < _MOST_REMEMBERED:
                    remembered[key] = attributes
            yield id_bytes(raw_id), type_name, value, bytes(digest), attributes

    return read


def _attributes(
    bank: str,
    quality: int | None,
    labels: str,
    source: str,
    opinion: str,
    confidence: int | None,
    confirmed_by: str,
    disputed: bool,  # noqa: FBT001 - a row's columns in order
    muted_until: Any,
) -> Attributes:
    confirmations = msgspec.json.decode(confirmed_by, type=list[dict[str, str]])
    here = any("by" in one for one in confirmations)
    organisations = {one["organisation"] for one in confirmations if "organisation" in one}
    return Attributes(
        bank=bank,
        labels=tuple(msgspec.json.decode(labels, type=list[str])),
        source=source,
        opinion=opinion,
        # This organisation counts once, however many of its people confirmed.
        confirmed_by=len(organisations) + here,
        confirmed_here=here,
        disputed=bool(disputed),
        confidence=confidence,
        quality=quality,
        muted_until=moment(muted_until),
    )
