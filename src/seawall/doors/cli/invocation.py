"""What every command shares: its settings, the data directory, the owner it acts as, and how it prints."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from gettext import gettext as _
from typing import Any, TypeVar

import click
import msgspec

from seawall.doors.cli.trouble import Trouble, plain, told
from seawall.record.clock import system_clock
from seawall.settings import Settings, load_settings

#: No command's one line is longer.
LONGEST_SHORT_HELP = 200

Function = TypeVar("Function", bound=Callable[..., Any])

#: What may lie in a directory that is about to become a data directory: the operator's own settings, and the lock of a
#: process that was killed before it made anything else.
WELCOME = frozenset({"seawall.toml", "serve.lock"})


class Invocation:
    """One run of the command line. Filled while click reads the options, asked by the command afterwards."""

    def __init__(self) -> None:
        self.flags: dict[str, Any] = {}
        self.json = False
        self.debug = False
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            self._settings = load_settings(self.flags, os.environ)
        return self._settings

    def open(self, *, create: bool = False) -> Settings:
        """Bind the rooms to the data directory; with `create`, a missing or empty one is made and furnished.

        Raises:
            Trouble: there is none, or the place is taken by something else.
            UpkeepRefused: it is of another release.
            DataDirectoryBusy: another process is making it.
        """
        from seawall.app import bind, furnish, is_furnished, is_prepared, serve_lock

        settings = self.settings
        if is_prepared(settings):
            bind(settings)
            from seawall.upkeep.upgrade import require_current

            require_current(settings)
            if create and not is_furnished():
                furnish(system_clock())
            return settings
        if not create:
            raise Trouble(
                _("no data directory at {place}").format(place=settings.data_dir),
                _("run `seawall serve` or pass --data-dir"),
            )
        self.require_welcoming()
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        bind(settings)
        from seawall.upkeep.upgrade import bring_up_to_date

        # Two who make the same tables at once fail, both.
        with serve_lock(settings):
            bring_up_to_date(settings, system_clock())
            furnish(system_clock())
        return settings

    def require_welcoming(self) -> None:
        """Trouble when the place for the data directory is taken by something else."""
        from seawall.app import is_prepared

        place = self.settings.data_dir
        if is_prepared(self.settings):
            return
        if place.exists() and not place.is_dir():
            raise Trouble(_("{place} is a file, not a directory").format(place=place), _("pass another --data-dir"))
        others = sorted(path.name for path in place.iterdir() if path.name not in WELCOME) if place.exists() else []
        if others:
            raise Trouble(
                _("{place} is not a data directory and not empty (it holds {name})").format(
                    place=place, name=others[0]
                ),
                _("pass an empty or a new directory as --data-dir"),
            )

    @contextmanager
    def change(self) -> Iterator[datetime]:
        """Yields the present time; the events written meanwhile become leaves of the log, if no server does that."""
        yield system_clock()
        sequence_if_free(self.settings)

    def say(self, text: str = "") -> None:
        """A line for people; with --json nothing but JSON lines goes to standard output."""
        if not self.json:
            click.echo(plain(text))

    def note(self, text: str) -> None:
        """A remark on standard error, so that output can be piped on."""
        click.echo(plain(text), err=True)

    def emit(self, value: object) -> None:
        """One JSON line; only with --json."""
        if self.json:
            click.echo(msgspec.json.encode(value).decode())

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Columns for people."""
        cells = [[plain(str(cell)) for cell in row] for row in (head, *rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
        for row in cells:
            self.say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def owner() -> str:
    """The id of the person the command line acts as."""
    from seawall.members.people import ensure_owner

    return ensure_owner(system_clock()).id


def sequence_if_free(settings: Settings) -> None:
    """Give the waiting events their leaves, unless a server holds the directory: then it does so within a second."""
    from seawall.app import try_lock
    from seawall.record.sequencer import sequence
    from seawall.record.signing import load_or_create_signing_key

    with try_lock(settings.data_dir) as holder:
        if holder is None:
            now = system_clock()
            sequence(now, load_or_create_signing_key(settings.keys_dir, now))


def _keep_flag(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if value is not None and param.name is not None:
        ctx.find_root().ensure_object(Invocation).flags[param.name] = value


def _keep_switch(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and param.name is not None:
        setattr(ctx.find_root().ensure_object(Invocation), param.name, True)


def everywhere() -> list[click.Option]:
    """The options that every command takes, before or after its name."""
    return [
        click.Option(
            ["--data-dir"],
            type=click.Path(path_type=str),
            metavar="DIRECTORY",
            expose_value=False,
            callback=_keep_flag,
            help=_("Where everything is kept. [SEAWALL_DATA_DIR, else ./seawall-data]"),
        ),
        click.Option(
            ["--database-url"],
            metavar="URL",
            expose_value=False,
            callback=_keep_flag,
            help=_("postgresql://…; without it SQLite in the data directory. [SEAWALL_DATABASE_URL]"),
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_keep_switch,
            help=_("Print JSON lines for programs instead of text for people."),
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=_keep_switch,
            help=_("Show the traceback when something fails."),
        ),
    ]


class Command(click.Command):
    """A command that takes the options of `everywhere`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += everywhere()


class Group(click.Group):
    """Commands under one name; failures inside become two plain lines."""

    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Beside a long name click would cut what the others do; here it goes on in the next line."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, one.get_short_help_str(LONGEST_SHORT_HELP)) for name, one in commands if one and not one.hidden]
        if rows:
            with formatter.section(_("Commands")):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        invocation = ctx.find_root().ensure_object(Invocation)
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.UsageError, BrokenPipeError):
            # Whoever closed the pipe has read enough; click ends quietly.
            raise
        except Trouble as trouble:
            trouble.as_json = invocation.json
            raise
        except Exception as error:
            if invocation.debug:
                raise
            raise told(error, as_json=invocation.json) from error


# The class of the groups inside a group is the same.
Group.group_class = Group

#: Hands the command its Invocation as first argument.
pass_invocation = click.make_pass_decorator(Invocation, ensure=True)
