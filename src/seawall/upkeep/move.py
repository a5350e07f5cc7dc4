"""Moving from SQLite to PostgreSQL: every table and the whole ledger, counted and verified before anything changes.

Until the last step the data directory is as it was; what an interrupted attempt left is in the target alone.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from gettext import gettext as _
from itertools import groupby
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import Field, ForeignKey, Model, fields

from seawall.app import bind, django_database
from seawall.record.durable import replace_durably
from seawall.record.signing import load_verification_keys
from seawall.record.verify import verify_log
from seawall.screening.ledger import Ledger
from seawall.screening.ledger.batches import verify_batches
from seawall.screening.ledger.model import Batch, Partition
from seawall.screening.ledger.sqlite import SqliteStorage
from seawall.settings import Settings, without_password
from seawall.upkeep import postgresql
from seawall.upkeep.backup.restore import TOML, with_database_url
from seawall.upkeep.model import MOVE_BEGUN, Progress, UpkeepRefused, nothing
from seawall.upkeep.tables import columns_of, forgotten, rows_of, table_of, tables
from seawall.upkeep.upgrade import require_current

#: The data directory's SQLite while the other database is Django's own.
SOURCE = "source"

#: Rows read at once.
ROWS = 5_000

#: What is left of SQLite after a move, so that one can go back.
MOVED = ".moved"

#: Their values need no translation from one database to the other; asking for one takes longer than copying.
_PLAIN = (
    fields.CharField,
    fields.TextField,
    fields.IntegerField,
    fields.BooleanField,
    fields.DateTimeField,
    fields.BinaryField,
    fields.UUIDField,
)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What was moved, and what stays behind."""

    tables: int
    rows: int
    screenings: int
    #: The renamed files of SQLite.
    left: tuple[Path, ...]
    #: Tables that no model knows, which were not copied.
    unknown: tuple[str, ...]


def move_to_postgresql(settings: Settings, target: Settings, *, progress: Progress = nothing) -> Moved:
    """Copy everything from the SQLite of `settings` into the empty PostgreSQL of `target`, and go on with that one.

    The caller holds the data directory's lock. Afterwards Django is bound to `target`; after a failure to `settings`.
    Killed in its last step, the next call completes that.

    Raises:
        UpkeepRefused: the target is not empty or cannot be reached, or a count or the log differs. The data directory
            is as it was.
    """
    if settings.on_postgresql:
        return _completed(settings)
    bind(settings)
    require_current(settings)
    postgresql.require_reachable_and_empty(target.database_url)
    try:
        with _both(settings, target):
            unknown = tuple(forgotten(SOURCE))
            moved_tables, rows, screenings = _copy(settings, target, progress)
            _verify(target)
            # Still inside the transaction on SQLite, so that no other command writes into what is put aside.
            left = _go_on_with(target)
    except BaseException:
        bind(settings)
        raise
    return Moved(tables=moved_tables, rows=rows, screenings=screenings, left=left, unknown=unknown)


def _go_on_with(target: Settings) -> tuple[Path, ...]:
    """The settings name the new database from here on; what is left of SQLite."""
    place = target.data_dir
    toml = place / TOML
    text = toml.read_text(encoding="utf-8") if toml.exists() else ""
    changed = with_database_url(text, target.database_url).encode()
    replace_durably(place / MOVE_BEGUN, target.database_url.encode())
    replace_durably(toml, changed)
    return put_aside(target)


def _completed(settings: Settings) -> Moved:
    """The end of a move that was killed after the settings named this database; UpkeepRefused where there is none."""
    begun = settings.data_dir / MOVE_BEGUN
    if not begun.exists() or begun.read_text(encoding="utf-8") != settings.database_url:
        step = _("nothing is left to move; to change the server, use `seawall backup` and `seawall restore`")
        if settings.database_path.exists():
            step = _(
                "if what you want to move is still in {place}: leave --database-url, SEAWALL_DATABASE_URL and the line "
                "database_url of seawall.toml out, and run it again"
            ).format(place=settings.database_path)
        raise UpkeepRefused(
            _("this data directory is on PostgreSQL already: {database}").format(
                database=without_password(settings.database_url)
            ),
            step,
        )
    return Moved(tables=0, rows=0, screenings=0, left=put_aside(settings), unknown=())


def put_aside(settings: Settings) -> tuple[Path, ...]:
    """Rename the files of SQLite, so that nobody takes them for what is in use."""
    files = [settings.database_path, *sorted(settings.ledger_dir.glob("*.sqlite3"))]
    left = []
    for path in files:
        for ending in ("-wal", "-shm", ""):
            part = path.with_name(path.name + ending)
            if part.exists():
                part.rename(path.with_name(f"{path.name}{MOVED}{ending}"))
        left.append(path.with_name(path.name + MOVED))
    (settings.data_dir / MOVE_BEGUN).unlink(missing_ok=True)
    return tuple(one for one in left if one.exists())


@contextmanager
def _both(settings: Settings, target: Settings) -> Iterator[None]:
    """Django bound to the target, and to SQLite under another name, in a transaction that keeps other writers out."""
    bind(target)
    connections.settings[SOURCE] = connections.configure_settings({"default": django_database(settings)})["default"]
    try:
        with transaction.atomic(using=SOURCE):
            yield
    finally:
        connections[SOURCE].close()
        del connections[SOURCE]
        del connections.settings[SOURCE]


def _copy(settings: Settings, target: Settings, progress: Progress) -> tuple[int, int, int]:
    """How many tables, rows and screenings were copied."""
    call_command("migrate", verbosity=0, interactive=False)
    counts = {model: rows_of(model, SOURCE).count() for model in tables()}
    source = SqliteStorage(settings.ledger_dir)
    try:
        days = {day: source.batches(day) for day in source.partitions()}
        total = sum(counts.values()) + sum(batch.rows for batches in days.values() for batch in batches)
        done = 0

        def advance(rows: int) -> None:
            nonlocal done
            done += rows
            progress(done, total)

        with transaction.atomic():
            _empty()
            for model in counts:
                _copy_table(model, advance)
            _count_on()
        _require_same_counts(counts)
        for day, batches in days.items():
            _copy_day(target, source, day, batches, advance)
    finally:
        source.close()
    return len(counts), sum(counts.values()), total - sum(counts.values())


def _empty() -> None:
    """Migrating writes a few rows of its own, which have other numbers here than there."""
    quoted = ", ".join(connection.ops.quote_name(table_of(model)) for model in tables())
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {quoted}")


def _copy_table(model: type[Model], advance: Callable[[int], None]) -> None:
    # Foreign keys are checked when the transaction ends, so that the order of the tables does not matter.
    columns = columns_of(model)
    names = [field.attname for field in columns]
    adapt = [_adapting(field) for field in columns]
    quoted = ", ".join(connection.ops.quote_name(str(field.column)) for field in columns)
    statement = f"COPY {connection.ops.quote_name(table_of(model))} ({quoted}) FROM STDIN"
    rows = rows_of(model, SOURCE).order_by("pk").values_list(*names)
    try:
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            count = 0
            for row in rows.iterator(chunk_size=ROWS):
                copy.write_row([value if fit is None else fit(value) for fit, value in zip(adapt, row, strict=True)])
                count += 1
                if count % ROWS == 0:
                    advance(ROWS)
        advance(count % ROWS)
    except (DatabaseError, ValueError, postgresql.driver().Error) as error:
        raise UpkeepRefused(
            _("a row of the table {table} cannot be copied: {error}").format(
                table=table_of(model), error=" ".join(str(error).split())
            ),
            _("nothing was changed here; report this. The target is emptied with `dropdb NAME; createdb NAME`"),
        ) from error


def _adapting(field: "Field[Any, Any]") -> Callable[[Any], Any] | None:
    """What makes of a value what the target's driver takes; None where it takes it as it is."""
    real = field.target_field if isinstance(field, ForeignKey) else field
    if type(real) in _PLAIN or issubclass(type(real), fields.IntegerField):
        return None
    return lambda value: field.get_db_prep_save(value, connection)


def _count_on() -> None:
    """Numbers that are given automatically go on where those that were copied end."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), tables()):
            cursor.execute(statement)


def _require_same_counts(counts: dict[type[Model], int]) -> None:
    for model, count in counts.items():
        found = rows_of(model).count()
        if found != count:
            raise _differs(
                _("{table} has {found} rows and had {count}").format(table=table_of(model), found=found, count=count)
            )


def _copy_day(
    target: Settings, source: SqliteStorage, day: Partition, batches: list[Batch], advance: Callable[[int], None]
) -> None:
    """One partition, batch by batch, so that numbers and digests are again what the log says; durable at its end."""
    from seawall.screening.ledger.postgresql import PostgresStorage

    expected = iter(batches)
    with closing(PostgresStorage(target.database_url)) as storage:
        # The storage's own transactions become parts of this one, and wait for the disk once.
        with storage.connect().transaction():
            for number, rows in groupby(source.rows(day), key=lambda row: row.batch):
                batch = next(expected)
                together = list(rows)
                if storage.append(day, together, committed_at=batch.committed_at) != batch or batch.number != number:
                    raise _differs(_("ledger {day}, batch {number} is not what it was").format(day=day, number=number))
                advance(len(together))
        if storage.batches(day) != batches:
            raise _differs(_("ledger {day} has other batches than before").format(day=day))


def _verify(target: Settings) -> None:
    """The whole record again, where it lies now."""
    report = verify_log(load_verification_keys(target.keys_dir))
    if report.finding is not None:
        raise _differs(f"{report.finding.where}: {report.finding.text}")
    problem = next(iter(verify_batches(Ledger(target))), None)
    if problem is not None:
        raise _differs(str(problem))


def _differs(text: str) -> UpkeepRefused:
    return UpkeepRefused(
        _("the copy is not what was copied: {text}").format(text=text),
        _(
            "nothing was changed here: run `seawall log verify` on this data directory, and empty the target with "
            "`dropdb NAME; createdb NAME`"
        ),
    )
