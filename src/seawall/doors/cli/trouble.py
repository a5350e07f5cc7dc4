"""How a failure is told: one line what happened, one line what to do next; exit code 1 and no traceback."""

import re
from gettext import gettext as _
from typing import IO, Any

import click
import msgspec

#: Characters that a terminal would obey. Names of files and words from lists are shown with them made visible.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """The text as it may be shown on a terminal."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


class Trouble(click.ClickException):
    """A command could not do what it was asked. `text` says why, `next_step` what to do about it."""

    exit_code = 1

    def __init__(self, text: str, next_step: str, *, as_json: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.next_step = next_step
        self.as_json = as_json

    def show(self, file: IO[Any] | None = None) -> None:
        if self.as_json:
            said = msgspec.json.encode({"error": self.text, "next_step": self.next_step}).decode()
        else:
            said = _("seawall: {text}\n  next: {next_step}").format(
                text=plain(self.text).strip(), next_step=plain(self.next_step).strip()
            )
        click.echo(said, file=file, err=file is None)


#: What to do about an error that says only what is wrong, by the name of its class. Names, because importing the
#: classes would load Django before the command line is even read.
_NEXT_STEPS = {
    "SettingsError": _("correct that setting; `seawall serve --help` lists them all"),
    "DataDirectoryBusy": _("stop that process, or use another --data-dir"),
    "PolicyError": _("correct the policy and try `seawall policy check FILE`; what was in force stays in force"),
    "SurfaceError": _("correct the option and run the command again; `seawall surface create --help` explains each"),
    "NoPolicy": _("run `seawall serve` once: it prepares the data directory"),
    "BadKey": _("run the command again with that changed; `seawall key create --help` explains each option"),
    "NoSuchKey": _("`seawall key list` shows every key"),
    "BadSignal": _("check the value; `seawall hash FILE` prints signals in the right form"),
    "BadId": _("copy the id whole, as the answer of the screening API shows it"),
    "BadKeyFile": _("restore the file from a backup, or correct its permissions (0600)"),
    "BadExplainKey": _("restore the file from a backup, or remove it; links made with it then open nothing"),
    "LogDamaged": _("run `seawall log verify`, which names the first bad row"),
    "LedgerUnavailable": _("`seawall doctor` says what is wrong with the disk or the database; nothing was answered"),
    "JailDied": _("`seawall doctor` says whether picture decoders start; retry with more memory free"),
    "OperationalError": _(
        "check that the database runs and --database-url is right; if a table is missing, start `seawall serve` once"
    ),
    "ProgrammingError": _("start `seawall serve` once: it brings the tables up to date"),
    "ImproperlyConfigured": _("install the database driver: pip install 'psycopg[binary]>=3.3,<4'"),
    "DatabaseError": _("run `seawall doctor`, which looks at the database"),
    "OSError": _("check the path, its permissions and the free space (`seawall doctor`)"),
}


def told(error: Exception, *, as_json: bool) -> Trouble:
    """Any error as a Trouble: its own words where it is one of ours, and a next step in every case."""
    text, next_step = getattr(error, "text", None), getattr(error, "next_step", None)
    if isinstance(text, str) and isinstance(next_step, str):
        return Trouble(text, next_step, as_json=as_json)
    for kind in type(error).__mro__:
        if kind.__name__ in _NEXT_STEPS:
            return Trouble(_sentence(error), _NEXT_STEPS[kind.__name__], as_json=as_json)
    text = _("something went wrong inside Seawall: {kind}: {error}").format(kind=type(error).__name__, error=error)
    return Trouble(text, _("run the same command with --debug and report what it prints"), as_json=as_json)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__
