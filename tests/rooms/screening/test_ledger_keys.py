"""Keys are made once, are whole or absent, and do not come back."""

import os
import threading
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from seawall.record.clock import system_clock
from seawall.record.durable import destroy_file
from seawall.screening.ledger import KeyDestroyed, LedgerDamaged, LedgerFamily, Partition
from seawall.screening.ledger.keys import KeyRing, PeriodUse, period_of, write_durably

DAY = date(2026, 11, 23)
PARTITION = Partition(day=DAY, family=LedgerFamily.MATCHED)


def test_a_key_is_random_kept_and_private(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys" / "ledger")
    key = ring.partition_key(PARTITION, create=True)
    assert len(key) == 32
    assert KeyRing(tmp_path / "keys" / "ledger").partition_key(PARTITION, create=False) == key
    [path] = (tmp_path / "keys" / "ledger").iterdir()
    assert path.name == "2026-11-23.matched.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys" / "ledger").stat().st_mode & 0o777 == 0o700


def test_every_key_is_another(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    other = Partition(day=DAY, family=LedgerFamily.UNMATCHED)
    later = DAY + timedelta(days=30)
    keys = {ring.partition_key(one, create=True) for one in (PARTITION, other)}
    keys |= {ring.period_key(day, use, create=True) for day in (DAY, later) for use in PeriodUse}
    assert len(keys) == 6


def test_a_period_has_thirty_days() -> None:
    start = next(DAY + timedelta(days=n) for n in range(31) if (DAY + timedelta(days=n)).toordinal() % 30 == 0)
    assert len({period_of(start + timedelta(days=n)) for n in range(30)}) == 1
    assert period_of(start + timedelta(days=30)) == period_of(start) + 1


def test_many_at_once_agree_on_one_key(tmp_path: Path) -> None:
    begin, found = threading.Barrier(8), []

    def ask() -> None:
        ring = KeyRing(tmp_path / "keys")
        begin.wait()
        found.append(ring.partition_key(PARTITION, create=True))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["2026-11-23.matched.key"]


@pytest.mark.parametrize("content", [b"", b"short", bytes(31), bytes(33), bytes(100_000)])
def test_a_damaged_key_file_is_named_and_never_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "2026-11-23.matched.key"
    path.write_bytes(content)
    with pytest.raises(LedgerDamaged, match=r"2026-11-23\.matched\.key"):
        KeyRing(tmp_path).partition_key(PARTITION, create=True)
    assert path.read_bytes() == content


def test_a_missing_key_is_named_where_it_must_exist(tmp_path: Path) -> None:
    with pytest.raises(LedgerDamaged, match="backup"):
        KeyRing(tmp_path).partition_key(PARTITION, create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_destroyed_key_is_overwritten_gone_and_never_made_anew(tmp_path: Path) -> None:
    ring, other = KeyRing(tmp_path), KeyRing(tmp_path)
    key = ring.partition_key(PARTITION, create=True)
    assert other.partition_key(PARTITION, create=True) == key
    os.link(tmp_path / "2026-11-23.matched.key", tmp_path / "second-name")
    ring.destroy(PARTITION)
    assert (tmp_path / "second-name").read_bytes() != key
    for one in (ring, other, KeyRing(tmp_path)):
        with pytest.raises(KeyDestroyed):
            one.partition_key(PARTITION, create=True)
    ring.destroy(PARTITION)


def test_old_periods_go_when_no_day_needs_them(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    days = [DAY - timedelta(days=30 * n) for n in range(4)]
    for day in days:
        ring.period_key(day, PeriodUse.HASH, create=True)
    ring.period_key(days[3], PeriodUse.PSEUDONYM, create=True)
    (tmp_path / "period-notes.key").write_bytes(b"not ours")
    gone = ring.destroy_old_periods([Partition(day=days[2], family=LedgerFamily.MATCHED)], DAY)
    assert gone == [period_of(days[3]), period_of(days[1])]
    assert len(list(tmp_path.glob("period-*.key"))) == 3
    # The present period's keys stay even while nothing was stored under them.
    assert ring.destroy_old_periods([], DAY) == [period_of(days[2])]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_durably(tmp_path / "a", b"1", b"2")
    with pytest.raises(FileExistsError):
        write_durably(tmp_path / "a", b"3")
    with pytest.raises(FileNotFoundError):
        write_durably(tmp_path / "nowhere" / "a", b"3")
    assert (tmp_path / "a").read_bytes() == b"12"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    destroy_file(tmp_path / "a")
    destroy_file(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept_later(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    ring.partition_key(PARTITION, create=True)
    (tmp_path / ".2026-11-24.matched.key.4711.0a1b").write_bytes(bytes(32))
    now: datetime = system_clock()
    ring.sweep(now=now)
    assert len(list(tmp_path.iterdir())) == 2
    ring.sweep(now=now + timedelta(hours=2))
    assert [path.name for path in tmp_path.iterdir()] == ["2026-11-23.matched.key"]


def test_the_second_name_of_a_key_in_use_goes_without_the_key(tmp_path: Path) -> None:
    """As `write_durably` leaves it when it is killed after the link: both names are one file."""
    ring = KeyRing(tmp_path)
    key = ring.partition_key(PARTITION, create=True)
    os.link(tmp_path / "2026-11-23.matched.key", tmp_path / ".2026-11-23.matched.key.4711.0a1b")
    ring.sweep(now=system_clock() + timedelta(hours=2))
    assert [path.name for path in tmp_path.iterdir()] == ["2026-11-23.matched.key"]
    assert KeyRing(tmp_path).partition_key(PARTITION, create=False) == key


def test_a_period_is_needed_as_long_as_a_day_has_a_key_whichever_database_knows_of_it(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    ring.period_key(DAY, PeriodUse.HASH, create=True)
    ring.partition_key(PARTITION, create=True)
    for name in ("2026-13-40.matched.key", "2026-11-23.other.key", "notes.key"):
        (tmp_path / name).write_bytes(b"not ours")
    assert ring.partitions() == [PARTITION]
    later = DAY + timedelta(days=90)
    assert ring.destroy_old_periods([], later) == []
    ring.destroy(PARTITION)
    assert ring.partitions() == []
    assert ring.destroy_old_periods([], later) == [period_of(DAY)]
