"""`seawall demo`: a running Seawall with something to stop."""

import os
import shlex
import socket
import threading
import time
from collections.abc import Sequence
from gettext import gettext as _
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import msgspec

from seawall.doors.cli.content import items, look_at
from seawall.doors.cli.invocation import Command, Invocation, owner, pass_invocation
from seawall.doors.cli.serving import refuse_second, require_free_port, setting_flags, start
from seawall.members.keys import KeyRefused, authenticate
from seawall.members.scopes import Scope
from seawall.record.clock import system_clock
from seawall.screening.model import Audience, FailMode, HoldExpiry, Surface
from seawall.settings import Settings

DIRECTORY = "seawall-demo"
BANK = "demo-pictures"
SURFACE = "posts"
KEY_FILE = "demo-key.txt"
LISTED = ("harbour.jpg", "orchard.jpg", "rooftops.jpg")
#: A smaller, cropped and recompressed copy of the harbour: what the curl line sends.
SENT = "harbour-edited.jpg"
#: In no bank; it passes.
UNLISTED = "balloons.jpg"
#: Seconds that a server may take to listen, on a slow machine with a large directory.
LONGEST_START = 120.0
SCOPES = (Scope.SCREEN, Scope.LOOKUP, Scope.HASH, Scope.READ)


@click.command(
    cls=Command,
    short_help=_("Start a demonstration, with a line to try."),
    help=_(
        "Start a demonstration in ./seawall-demo: a bank of harmless pictures, a surface, an API key, and one curl "
        "line that gets a BLOCK. Run it as often as you like; it never touches your own data directory or database. "
        "Options as in `seawall serve`."
    ),
)
@setting_flags
@pass_invocation
def demo(invocation: Invocation, /, **flags: Any) -> None:
    # Neither SEAWALL_DATA_DIR nor SEAWALL_DATABASE_URL may lead a demonstration into somebody's real data.
    invocation.flags.setdefault("data_dir", DIRECTORY)
    invocation.flags.setdefault("database_url", "")
    invocation.flags.update({name: value for name, value in flags.items() if value is not None})
    settings = _with_a_port(invocation.settings)
    refuse_second(settings)
    require_free_port(settings)
    invocation.require_welcoming()
    set_up(invocation, settings)
    # A line that is pasted before anyone listens fails, so it is printed when somebody does.
    threading.Thread(target=_explain_when_ready, args=(invocation, settings), daemon=True).start()
    start(settings)


def _with_a_port(settings: Settings) -> Settings:
    """Port 0 asks for any free one; the curl line must name it."""
    if settings.port:
        return settings
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.create_server((settings.host, 0), family=family) as probe:
        return msgspec.structs.replace(settings, port=probe.getsockname()[1])


def _explain_when_ready(invocation: Invocation, settings: Settings) -> None:
    deadline = time.monotonic() + LONGEST_START
    while time.monotonic() < deadline:
        try:
            socket.create_connection((settings.host, settings.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            _explain(invocation, settings)
            return


def set_up(invocation: Invocation, settings: Settings) -> None:
    """Everything the demonstration needs; what is there already stays, brought up to this release as `serve` does it.

    Raises:
        UpkeepRefused: the directory is of a newer release, or cannot be backed up before its upgrade.
    """
    from seawall.app import bind, furnish, serve_lock

    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    bind(settings)
    from seawall.upkeep.upgrade import bring_up_to_date

    with serve_lock(settings):
        bring_up_to_date(settings, system_clock())
        furnish(system_clock())
    with invocation.change():
        _write_pictures(settings)
        _fill_bank(settings)
        _declare_surface()
        _keep_key(settings)


def _write_pictures(settings: Settings) -> None:
    place = settings.data_dir / "pictures"
    place.mkdir(mode=0o700, exist_ok=True)
    for name in (*LISTED, SENT, UNLISTED):
        (place / name).write_bytes((files("seawall.doors.cli.demo") / name).read_bytes())


def _fill_bank(settings: Settings) -> None:
    from seawall.matching.banks import add_signals, create_bank, list_banks

    by = owner()
    found = next((one for one in list_banks() if one.bank.name == BANK), None)
    if found is None:
        create_bank(
            BANK,
            by=by,
            now=system_clock(),
            default_action="block",
            labels=("demonstration",),
            listed_by=_("the Seawall demonstration"),
            counts_as_protection=False,
        )
    if found is not None and found.signals:
        return
    pictures = [settings.data_dir / "pictures" / name for name in LISTED]
    for looked in look_at(_named(pictures), settings):
        signals = [one for one in looked.extraction.signals if one.type != "md5"]
        add_signals(BANK, signals, by=by, now=system_clock(), note=looked.item.label)


def _named(pictures: Sequence[Path]) -> Sequence[Any]:
    return items(files=pictures, kind="image", texts=(), urls=(), signals=())


def _declare_surface() -> None:
    from seawall.screening.policies import list_surfaces, save_surface

    if any(one.name == SURFACE for one in list_surfaces()):
        return
    surface = Surface(name=SURFACE, audience=Audience.PUBLIC, fail_mode=FailMode.HOLD, hold_expiry=HoldExpiry.REFUSE)
    save_surface(surface, by=owner(), now=system_clock())


def _keep_key(settings: Settings) -> None:
    """A key is shown once, so the demonstration keeps its own in a file that only this user can read."""
    from seawall.members.issue import issue_key, key_records

    place = settings.data_dir / KEY_FILE
    records = key_records()
    try:
        for scope in SCOPES:
            authenticate(place.read_text(encoding="ascii").strip(), records, system_clock(), scope)
    except (OSError, UnicodeDecodeError, KeyRefused):
        _record, shown = issue_key(name="demonstration", scopes=SCOPES, by=owner(), now=system_clock())
        partial = place.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(shown + "\n")
        partial.replace(place)


def curl_line(settings: Settings, picture: str = SENT) -> str:
    """The one line to try, ready to be pasted into a shell in the present directory."""
    request = f'{{"surface":"{SURFACE}","parts":[{{"name":"picture","kind":"image","file":"picture"}}]}}'
    key = f'"Authorization: Bearer $(cat {shlex.quote(_from_here(settings.data_dir / KEY_FILE))})"'
    # Quoted for curl as well, which reads `;` and `,` in a file's name as its own.
    name = _from_here(settings.data_dir / "pictures" / picture)
    if set(name) & set(',;"\\'):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return " ".join(
        [
            "curl",
            "-sS",
            f"{settings.base_url}/v1/screen",
            "-H",
            key,
            "-F",
            shlex.quote(f"request={request}"),
            "-F",
            shlex.quote(f"picture=@{name}"),
        ]
    )


def _from_here(path: Path) -> str:
    """Relative below the present directory, otherwise absolute."""
    whole = path.absolute()
    here = Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)


def _explain(invocation: Invocation, settings: Settings) -> None:
    invocation.emit({"url": settings.base_url, "data_dir": str(settings.data_dir), "curl": curl_line(settings)})
    invocation.say()
    invocation.say(
        _("The demonstration lives in {place}. Its bank {bank} lists three drawings.").format(
            place=settings.data_dir, bank=BANK
        )
    )
    invocation.say(
        _(
            "Its surface {surface} is public, holds what cannot be screened, and refuses a hold that nobody has "
            "looked at: that is the demonstration's choice, for yours you are asked."
        ).format(surface=SURFACE)
    )
    invocation.say()
    invocation.say(_("In another terminal, send an edited copy of a listed drawing. The answer is a BLOCK:"))
    invocation.say()
    invocation.say(curl_line(settings))
    invocation.say()
    invocation.say(
        _("With {picture} in its place the answer is ALLOW. Ctrl-C ends the demonstration.").format(picture=UNLISTED)
    )
