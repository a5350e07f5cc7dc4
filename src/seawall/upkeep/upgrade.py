"""Bringing a data directory up to the present release: a backup first, then the migrations, then the stamp.

Each step leaves a directory that the next call completes, so that a power cut at any of them costs nothing.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from gettext import gettext as _
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from django.apps import apps
from django.core.management import call_command
from django.core.management.commands import migrate
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from seawall.app import is_prepared, prepare
from seawall.record.durable import replace_durably, sync_directory
from seawall.record.generation import newest_event
from seawall.settings import Settings, without_password
from seawall.upkeep.backup.make import BACKUPS, back_up, backups_of
from seawall.upkeep.model import Progress, UpkeepRefused, nothing
from seawall.upkeep.version import STAMP, data_version, is_newer, write_stamp

#: Backups that upgrades made and that stay. Older ones are removed.
BACKUPS_KEPT = 3

#: Says that an upgrade was begun, and which backup was made for it.
BEGUN = "upgrade-begun.json"

#: Told the name of each step before it is taken.
Steps = Callable[[str], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a data directory stands to this release."""

    #: The release it was last brought up to date by.
    data_version: str
    #: Migrations of this release that it has not seen, as `app.name`, in order.
    pending: tuple[str, ...] = ()
    #: Migrations that it has seen and this release does not know.
    unknown: tuple[str, ...] = ()
    #: Nothing was ever migrated: there is nothing to lose.
    is_fresh: bool = False

    @property
    def is_newer(self) -> bool:
        return bool(self.unknown) or is_newer(self.data_version)


@dataclass(frozen=True, kw_only=True)
class Upgraded:
    """What was done: nothing at all where `migrations` is empty."""

    before: str
    now: str
    migrations: tuple[str, ...] = ()
    backup: Path | None = None


class _Begun(msgspec.Struct, frozen=True, kw_only=True):
    """An upgrade that was begun. As long as nothing was recorded since, its backup is still the right one."""

    version: str
    backup: str
    newest_event: str


def standing(settings: Settings) -> Standing:
    """Look, and change nothing. Django is bound to these settings.

    Raises:
        UpkeepRefused: the directory was in use, and its database is gone or another one was named. To begin anew in it
            would bury what was lost.
    """
    # SQLite would make the file by being asked.
    is_there = settings.on_postgresql or settings.database_path.exists()
    applied = MigrationRecorder(connection).applied_migrations() if is_there else {}
    if not applied:
        _refuse_another_database(settings)
        return Standing(data_version=version("seawall"), is_fresh=True)
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    ours = {app.label for app in apps.get_app_configs() if app.name.startswith("seawall.")}
    known = executor.loader.disk_migrations
    return Standing(
        data_version=data_version(settings.data_dir),
        pending=tuple(f"{migration.app_label}.{migration.name}" for migration, _backwards in plan),
        # Libraries drop old migrations of theirs when they replace them; ours are never dropped.
        unknown=tuple(f"{app}.{name}" for app, name in sorted(applied) if app in ours and (app, name) not in known),
    )


def require_current(settings: Settings) -> None:
    """UpkeepRefused when the directory is of an older or a newer release. For every command but `upgrade`."""
    found = standing(settings)
    _refuse_downgrade(settings, found)
    if found.pending:
        raise UpkeepRefused(
            _("the tables of {place} are of Seawall {before}; {count} changes up to {now} have not been made").format(
                place=settings.data_dir, before=found.data_version, count=len(found.pending), now=version("seawall")
            ),
            _("run `seawall upgrade`, or start `seawall serve`: both make a backup first"),
        )


def bring_up_to_date(
    settings: Settings,
    now: datetime,
    *,
    with_backup: bool = True,
    progress: Progress = nothing,
    steps: Steps = lambda _step: None,
) -> Upgraded:
    """Make the directory one of this release; the caller holds its lock, and Django is bound to it.

    Interrupted at any step, the next call goes on. Of a fresh directory nothing is backed up.

    Raises:
        UpkeepRefused: it is of a newer release, or the backup cannot be made. Nothing was changed.
    """
    steps("look")
    found = standing(settings) if is_prepared(settings) else Standing(data_version=version("seawall"), is_fresh=True)
    _refuse_downgrade(settings, found)
    backup = None
    if found.pending:
        _log.info("upgrading from %s: %d migrations", found.data_version, len(found.pending))
        if with_backup:
            backup = _backed_up(settings, now, progress, steps)
        call_command(_Migrate(steps), verbosity=0, interactive=False)
    if found.pending or found.is_fresh:
        steps("prepare")
        prepare(settings)
    if found.is_fresh or found.data_version != version("seawall") or not (settings.data_dir / STAMP).exists():
        steps("stamp")
        write_stamp(settings.data_dir)
    steps("tidy")
    _tidy(settings.data_dir / BACKUPS, keep=backup)
    return Upgraded(before=found.data_version, now=version("seawall"), migrations=found.pending, backup=backup)


def _refuse_another_database(settings: Settings) -> None:
    """For a database without tables; one that was brought up to date here before has some."""
    if not (settings.data_dir / STAMP).exists():
        return
    database = without_password(settings.database_url) if settings.on_postgresql else settings.database_path
    raise UpkeepRefused(
        _("{place} has been in use, and its database is not in {database}").format(
            place=settings.data_dir, database=database
        ),
        _(
            "check --database-url, SEAWALL_DATABASE_URL and seawall.toml, or restore a backup into a new directory; to "
            "start anew, use another --data-dir"
        ),
    )


def _refuse_downgrade(settings: Settings, found: Standing) -> None:
    if not found.is_newer:
        return
    newer = found.data_version if is_newer(found.data_version) else _("a later release")
    text = _("downgrade refused: {place} was last used by Seawall {newer}, and this is {now}").format(
        place=settings.data_dir, newer=newer, now=version("seawall")
    )
    if found.unknown:
        text += _("; its database has the migration {name}, which this release does not know").format(
            name=found.unknown[0]
        )
    kept = _kept(settings.data_dir / BACKUPS)
    step = _("install Seawall {newer} again, or restore a backup from before its upgrade into a new directory").format(
        newer=newer
    )
    raise UpkeepRefused(text, f"{step}: {kept[-1]}" if kept else step)


def _backed_up(settings: Settings, now: datetime, progress: Progress, steps: Steps) -> Path:
    """The backup from before this upgrade: that of an interrupted attempt where nothing happened since."""
    backups = backups_of(settings)
    begun = backups / BEGUN
    event = newest_event()
    with suppress(FileNotFoundError, msgspec.DecodeError):
        earlier = msgspec.json.decode(begun.read_bytes(), type=_Begun)
        kept = backups / Path(earlier.backup).name
        if earlier.version == version("seawall") and earlier.newest_event == event and kept.exists():
            return kept
    steps("backup")
    target = _free_name(backups, now)
    back_up(settings, target, now=now, progress=progress)
    steps("begin")
    said = _Begun(version=version("seawall"), backup=target.name, newest_event=event)
    replace_durably(begun, msgspec.json.encode(said))
    return target


def _free_name(backups: Path, now: datetime) -> Path:
    """Two upgrades may fall into one second of a clock that was set back."""
    stem = f"before-{version('seawall')}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    number = 1
    while (backups / (name := f"{stem}.tar" if number == 1 else f"{stem}-{number}.tar")).exists():
        number += 1
    return backups / name


def _kept(backups: Path) -> list[Path]:
    """What upgrades backed up, oldest first by the file's own time, not by the name that a wrong clock gave it."""
    return sorted(backups.glob("before-*.tar"), key=lambda path: path.stat().st_mtime_ns)


def _tidy(backups: Path, keep: Path | None) -> None:
    if not backups.is_dir():
        return
    (backups / BEGUN).unlink(missing_ok=True)
    others = [path for path in _kept(backups) if path != keep]
    room = BACKUPS_KEPT - (keep is not None)
    for path in others[: max(0, len(others) - room)]:
        path.unlink(missing_ok=True)
    sync_directory(backups)


class _Migrate(migrate.Command):
    """Django's own, which says what it does."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    def migration_progress_callback(self, action: str, migration: Any | None = None, *_fake: bool) -> None:
        """Called before and after each migration."""
        self._steps(action if migration is None else f"{action} {migration.app_label}.{migration.name}")
