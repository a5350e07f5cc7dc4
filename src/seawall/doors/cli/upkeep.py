"""`seawall backup`, `restore`, `upgrade`, `move-to-postgresql` and `export`: keeping an installation and leaving it."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from gettext import gettext as _
from pathlib import Path
from typing import Any

import click

from seawall.doors.cli.invocation import Command, Function, Invocation, pass_invocation
from seawall.doors.cli.trouble import Trouble
from seawall.record.clock import system_clock
from seawall.settings import load_settings

#: Less than this is done before anyone could read a progress bar.
LEAST = 10_000_000


#: A longer first line is not one that anybody wrote as a passphrase.
MOST_PASSPHRASE_BYTES = 4_096


@contextmanager
def watched(label: str, *, least: int = LEAST) -> Iterator[Any]:
    """A progress bar on standard error, where that is a terminal; it takes what is done and the total."""
    bars: list[Any] = []

    def follow(done: int, total: int) -> None:
        if total < least or not sys.stderr.isatty():
            return
        if not bars:
            bars.append(click.progressbar(length=total, label=label, file=sys.stderr))
            bars[0].__enter__()
        bars[0].update(done - bars[0].pos)

    try:
        yield follow
    finally:
        for bar in bars:
            bar.__exit__(None, None, None)


def passphrase_file(function: Function) -> Function:
    """Where a passphrase comes from when nobody is there to type it."""
    return click.option(
        "--passphrase-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help=_("Read the passphrase from the first line of FILE."),
    )(function)


def from_file(path: Path) -> str:
    """The first line."""
    step = _("write the passphrase on its first line")
    try:
        with path.open("rb") as file:
            text = file.readline(MOST_PASSPHRASE_BYTES + 1).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Trouble(_("{path} is no text in UTF-8").format(path=path), step) from error
    line = text.removesuffix("\n").removesuffix("\r")
    if not line:
        raise Trouble(_("{path} has nothing on its first line").format(path=path), step)
    if len(text.encode()) > MOST_PASSPHRASE_BYTES:
        raise Trouble(_("the first line of {path} is too long for a passphrase").format(path=path), step)
    return line


@click.command(
    cls=Command,
    short_help=_("Write everything into one file, while the server goes on."),
    help=_(
        "Write a backup into the new file TARGET, or into a directory under a name with the time. Beside a running "
        "server this is fine: every verdict answered before is in it. Whoever reads an unencrypted backup has your "
        "keys: give a passphrase or a recipient unless it stays in a safe place.\n\n"
        "Exit codes: 0 the backup is on the disk, 1 it is not and nothing was left behind, 2 usage."
    ),
)
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--passphrase", "ask", is_flag=True, help=_("Encrypt with a passphrase, which is asked for."))
@passphrase_file
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    metavar="age1…",
    help=_("Encrypt to this public key of the age tool (repeatable)."),
)
@pass_invocation
def backup(
    invocation: Invocation, /, target: Path, *, ask: bool, passphrase_file: Path | None, recipients: Sequence[str]
) -> None:
    settings = invocation.settings
    require_directory(invocation)
    if recipients and (ask or passphrase_file):
        raise click.UsageError(_("choose one: a passphrase, or recipients"))
    from seawall.upkeep.backup.make import Locks, back_up, require_new_place
    from seawall.upkeep.backup.sealing import recipients_of

    now = system_clock()
    if target.is_dir():
        target /= f"seawall-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.tar{'.age' if recipients else ''}"
    # Said before a passphrase is thought up.
    require_new_place(settings, target)
    locks = Locks(recipients=recipients_of(recipients), passphrase=new_passphrase(ask=ask, file=passphrase_file))
    with watched(_("backing up")) as follow:
        made = back_up(settings, target, now=now, locks=locks, progress=follow)
    invocation.emit(
        {"backup": str(made.path), "bytes": made.size, "members": made.members, "encrypted": made.encrypted}
    )
    invocation.say(
        _(
            "{path}: {size} bytes, {count} files. Keep it on another machine; `seawall restore --check` verifies it."
        ).format(path=made.path, size=made.size, count=made.members)
    )
    if not made.encrypted:
        invocation.note(_("It is not encrypted and holds the keys: whoever reads it can read everything."))


def new_passphrase(*, ask: bool, file: Path | None) -> str:
    """Empty where none is wanted."""
    from seawall.upkeep.backup.sealing import SHORTEST_PASSPHRASE

    if file is not None:
        text = from_file(file)
    elif ask:
        text = click.prompt(_("Passphrase"), hide_input=True, confirmation_prompt=True, err=True)
    else:
        return ""
    if len(text) < SHORTEST_PASSPHRASE:
        raise Trouble(
            _("the passphrase is shorter than {count} characters").format(count=SHORTEST_PASSPHRASE),
            _("take a few random words: whoever finds the file may try for years"),
        )
    return text


def require_directory(invocation: Invocation) -> None:
    """Trouble where there is no data directory."""
    from seawall.app import is_prepared

    if not is_prepared(invocation.settings):
        raise Trouble(
            _("no data directory at {place}").format(place=invocation.settings.data_dir), _("pass --data-dir")
        )


@click.command(
    cls=Command,
    short_help=_("Put a backup into an empty data directory."),
    help=_(
        "Restore FILE into the data directory, which must be absent or empty; a backup of a PostgreSQL also needs "
        "--database-url of an empty one. The whole file is verified before anything is put into place.\n\n"
        "Exit codes: 0 restored (or, with --check, whole), 1 not, and nothing was changed, 2 usage."
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--check", "only_check", is_flag=True, help=_("Only verify the file; nothing is written."))
@passphrase_file
@click.option(
    "--identity",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="KEYFILE",
    help=_("The secret key of a recipient: the file that `age-keygen` wrote."),
)
@pass_invocation
def restore(
    invocation: Invocation, /, file: Path, *, only_check: bool, passphrase_file: Path | None, identity: Path | None
) -> None:
    from seawall.upkeep.backup.restore import check
    from seawall.upkeep.backup.restore import restore as put_back
    from seawall.upkeep.backup.sealing import identities_of

    def passphrase() -> str:
        if passphrase_file is not None:
            return from_file(passphrase_file)
        return str(click.prompt(_("Passphrase"), hide_input=True, err=True))

    keys = [] if identity is None else identities_of(identity.read_text(encoding="utf-8", errors="replace"), identity)
    with watched(_("verifying") if only_check else _("restoring")) as follow:
        if only_check:
            found = check(file, passphrase=passphrase, identities=keys, progress=follow)
        else:
            found = put_back(invocation.settings, file, passphrase=passphrase, identities=keys, progress=follow)
    _tell_restored(invocation, file, found, only_check=only_check)


def _tell_restored(invocation: Invocation, file: Path, found: Any, *, only_check: bool) -> None:
    about = found.manifest
    invocation.emit(
        {
            "restored": None if only_check else str(invocation.settings.data_dir),
            "members": found.members,
            "bytes": found.size,
            "created_at": about.created_at,
            "version": about.data_version,
            "database": about.database,
            "log": about.log_origin,
        }
    )
    invocation.say(
        _("{file} is whole: {count} files of {time}, Seawall {version}, {database}, log {log}").format(
            file=file,
            count=found.members,
            time=about.created_at,
            version=about.data_version,
            database=about.database,
            log=about.log_origin or "-",
        )
    )
    if not only_check:
        invocation.say(
            _("Restored into {place}. Next: `seawall log verify`, then `seawall serve`.").format(
                place=invocation.settings.data_dir
            )
        )
        invocation.note(
            _(
                "API keys revoked and people removed after {time} are back: revoke and remove them again "
                "(`seawall key list`, `seawall person list`)."
            ).format(time=about.created_at)
        )


@click.command(
    cls=Command,
    short_help=_("Bring the data directory of an older release up to date."),
    help=_(
        "Back up what is there into `backups/` in the data directory, then bring its tables up to this release. "
        "`seawall serve` does the same when it starts. The last three of these backups are kept.\n\n"
        "Exit codes: 0 up to date, 1 not: run it again, it goes on where it was interrupted, 2 usage."
    ),
)
@click.option(
    "--without-backup", is_flag=True, help=_("Do not back up first: only where you have a backup of your own.")
)
@pass_invocation
def upgrade(invocation: Invocation, /, *, without_backup: bool) -> None:
    settings = invocation.settings
    require_directory(invocation)
    from seawall.app import bind, serve_lock

    bind(settings)
    from seawall.upkeep.upgrade import bring_up_to_date

    with serve_lock(settings), watched(_("backing up")) as follow:
        done = bring_up_to_date(settings, system_clock(), with_backup=not without_backup, progress=follow)
    invocation.emit(
        {
            "before": done.before,
            "now": done.now,
            "migrations": list(done.migrations),
            "backup": None if done.backup is None else str(done.backup),
        }
    )
    if not done.migrations:
        invocation.say(_("Nothing to do: this is the data directory of Seawall {version}.").format(version=done.now))
        return
    invocation.say(
        _("Upgraded from Seawall {before} to {now}: {count} migrations.").format(
            before=done.before, now=done.now, count=len(done.migrations)
        )
    )
    if done.backup is not None:
        invocation.say(_("What was there before is in {place}.").format(place=done.backup))


@click.command(
    "move-to-postgresql",
    cls=Command,
    short_help=_("Move everything from SQLite to a PostgreSQL."),
    help=_(
        "Copy every table and the ledger into the empty PostgreSQL that URL names, count the rows, verify the log "
        "there, and go on with it: URL is written into seawall.toml. Stop the server first. The files of SQLite stay, "
        "renamed to `*.moved`. Interrupted while they are renamed, run the same command again.\n\n"
        "Exit codes: 0 moved and verified, 1 not: nothing was changed here, 2 usage."
    ),
)
@click.argument("url", metavar="URL")
@pass_invocation
def move_to_postgresql(invocation: Invocation, /, url: str) -> None:
    settings = invocation.settings
    require_directory(invocation)
    target = load_settings({**invocation.flags, "database_url": url}, os.environ)
    from seawall.app import bind, serve_lock

    bind(settings)
    from seawall.upkeep import move

    with serve_lock(settings), watched(_("moving"), least=50_000) as follow:
        done = move.move_to_postgresql(settings, target, progress=follow)
    invocation.emit(
        {
            "tables": done.tables,
            "rows": done.rows,
            "screenings": done.screenings,
            "left": [str(path) for path in done.left],
            "unknown": list(done.unknown),
        }
    )
    if done.tables:
        said = _("Moved {rows} rows of {tables} tables and {screenings} screenings; counts and log are verified.")
        invocation.say(said.format(rows=done.rows, tables=done.tables, screenings=done.screenings))
    else:
        invocation.say(_("Everything was moved and verified already; the old files are put aside now."))
    invocation.say(
        _(
            "seawall.toml names the new database. The old files end in .moved: when `seawall serve` runs well and a "
            "new backup is made, delete them; to go back, remove that ending and the line database_url."
        )
    )
    for name in done.unknown:
        invocation.note(_("The table {name} belongs to no part of Seawall and was not copied.").format(name=name))
    if os.environ.get("SEAWALL_DATABASE_URL", url) != url:
        invocation.note(_("SEAWALL_DATABASE_URL names another database and wins over seawall.toml: change it."))


@click.command(
    cls=Command,
    short_help=_("Write everything you own in open formats."),
    help=_(
        "Write banks, policies, surfaces, people, events with their proofs, the screening ledger and every other table "
        "into the new directory TARGET, or into a ZIP file where its name ends in .zip, as JSON lines with a README. "
        "Secrets are left out. Beside a running server this is fine.\n\n"
        "Exit codes: 0 everything is written, 1 it is not and nothing was left behind, 2 usage."
    ),
)
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--with-held-content",
    is_flag=True,
    help=_("Also write the uploads that wait for a decision, deciphered. Never those that nobody may look at."),
)
@pass_invocation
def export(invocation: Invocation, /, target: Path, *, with_held_content: bool) -> None:
    settings = invocation.open()
    from seawall.upkeep.export.write import export as write_everything

    with watched(_("exporting"), least=50_000) as follow:
        done = write_everything(
            settings, target, now=system_clock(), with_held_content=with_held_content, progress=follow
        )
    invocation.emit(
        {"export": str(done.path), "files": done.files, "rows": done.rows, "without_content": done.without_content}
    )
    invocation.say(
        _("{path}: {files} files, {rows} rows. README.txt in it explains them; secrets are left out.").format(
            path=done.path, files=done.files, rows=done.rows
        )
    )
    for screening_id, why in done.without_content.items():
        invocation.note(_("The content of {screening} is left out: {why}").format(screening=screening_id, why=why))
