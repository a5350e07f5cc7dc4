"""What the doctor looks at outside the rooms: directory, disk, clock, addresses, backups. Each yields its findings."""

import ipaddress
import os
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from gettext import gettext as _
from importlib.metadata import version
from urllib.parse import urlsplit

import msgspec

from seawall.record.clock import rfc3339, system_clock
from seawall.settings import Settings, without_password
from seawall.upkeep.finding import Finding, Health
from seawall.upkeep.model import MOVE_BEGUN

#: With less free space the ledger of a busy day may not fit any more; with the lesser one it will not.
SCARCE_BYTES = 5 * 1024**3
TOO_LITTLE_BYTES = 512 * 1024**2

#: This code was not there before: a clock that shows an earlier time is wrong. One that shows a time ten years later is
#: wrong too, or nobody has brought this installation up to date since.
WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)
TOO_OLD = timedelta(days=3_652)

#: Several processes write events; so much difference between them, and a clock that is being set right, is no trouble.
PATIENCE = timedelta(minutes=5)

#: So many of the newest events are asked for their time: one that lies in the future is soon followed by others.
RECENT_EVENTS = 1_000

#: Older than this, a backup misses more work than anybody likes to do again.
OLD_BACKUP = timedelta(days=7)


def check_directory(settings: Settings) -> Iterator[Finding]:
    from seawall.app import is_prepared

    place = settings.data_dir
    if not is_prepared(settings):
        yield Finding(
            about="directory",
            health=Health.BAD,
            text=_("no data directory at {place}").format(place=place.absolute()),
            next_step=_("run `seawall serve` or pass --data-dir"),
        )
        return
    open_to_others = [one for one in (place, settings.keys_dir) if stat.S_IMODE(one.stat().st_mode) & 0o077]
    if open_to_others:
        yield Finding(
            about="directory",
            health=Health.BAD if settings.keys_dir in open_to_others else Health.WARN,
            text=_("other users of this machine can look into {place}").format(place=open_to_others[-1]),
            next_step=f"chmod 700 {open_to_others[-1]}",
        )
    elif not os.access(place, os.W_OK | os.X_OK):
        step = _("run as the user that owns it, or change its owner")
        text = _("{place} cannot be written by this user").format(place=place)
        yield Finding(about="directory", health=Health.BAD, text=text, next_step=step)
    else:
        yield Finding(about="directory", health=Health.OK, text=_("{place}, private").format(place=place.absolute()))


def check_disk(settings: Settings) -> Iterator[Finding]:
    place = settings.data_dir.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    text = _("{free:.1f} GiB free").format(free=free / 1024**3)
    if free >= SCARCE_BYTES:
        yield Finding(about="disk", health=Health.OK, text=text)
        return
    yield Finding(
        about="disk",
        health=Health.BAD if free < TOO_LITTLE_BYTES else Health.WARN,
        text=text,
        next_step=_("free some space: without it the ledger cannot be written, and no verdict is given"),
    )


def check_release(settings: Settings) -> Iterator[Finding]:
    """Which release wrote the data directory last. The first one left no stamp, and nothing is said about it."""
    from seawall.upkeep.model import UpkeepRefused
    from seawall.upkeep.version import STAMP, data_version, is_newer

    if not (settings.data_dir / STAMP).exists():
        return
    try:
        stamp = data_version(settings.data_dir)
    except UpkeepRefused as refused:
        yield Finding(about="release", health=Health.BAD, text=refused.text, next_step=refused.next_step)
        return
    if is_newer(stamp):
        text = _("written by Seawall {stamp}, which is newer than this one, {present}")
        yield Finding(
            about="release",
            health=Health.BAD,
            text=text.format(stamp=stamp, present=version("seawall")),
            next_step=_("install that release or a later one, or restore a backup made with this one"),
        )
    else:
        yield Finding(about="release", health=Health.OK, text=_("written by Seawall {stamp}").format(stamp=stamp))


def check_clock(settings: Settings) -> Iterator[Finding]:
    """Whether this machine's time can be true: deadlines, retention and the record depend on it."""
    from seawall.app import is_prepared

    now = system_clock()
    text = rfc3339(now)
    if now < WRITTEN or now - WRITTEN > TOO_OLD:
        said = _("{now} cannot be right: this release was made in {made}")
        yield Finding(
            about="clock",
            health=Health.BAD if now < WRITTEN else Health.WARN,
            text=said.format(now=text, made=f"{WRITTEN:%Y-%m}"),
            next_step=_("set it, such as with `timedatectl set-ntp true`, then restart `seawall serve`"),
        )
        return
    newest = _newest_event() if is_prepared(settings) else None
    if newest is None or now >= newest - PATIENCE:
        yield Finding(about="clock", health=Health.OK, text=text)
        return
    yield Finding(
        about="clock",
        health=Health.BAD,
        text=_("{now} is before the newest event, {newest}").format(now=text, newest=rfc3339(newest)),
        next_step=_(
            "compare with `date -u` and set it with `timedatectl set-ntp true`; if it is right now, it was wrong when "
            "that event was written, and deadlines of that time are wrong as well"
        ),
    )


def _newest_event() -> datetime | None:
    from seawall.record.models import Event

    times = Event.objects.order_by("-serial").values_list("created_at", flat=True)[:RECENT_EVENTS]
    return max(times, default=None)


def check_backups(settings: Settings) -> Iterator[Finding]:
    """How old the newest one is. Those that were taken elsewhere are unknown here, so none is no alarm; one that has
    outlived the ledger's days is, since whatever was destroyed since can be read from it.
    """
    place = settings.data_dir / "backups"
    files = (
        [path for path in place.glob("[!.]*") if path.is_file() and path.suffix != ".json"] if place.is_dir() else []
    )
    step = _("make one with `seawall backup TARGET`, and keep a copy on another machine")
    if not files:
        text = _("none in {place}").format(place=place)
        yield Finding(about="backups", health=Health.OK, text=text, next_step=step)
        return
    now = system_clock()
    made = {path: datetime.fromtimestamp(path.stat().st_mtime, tz=UTC) for path in files}
    outlived = sorted(path for path in files if now - made[path] > timedelta(days=settings.keep_unmatched_days))
    if outlived:
        text = _("{place} still holds what the ledger has forgotten since, with the keys to it ({count} such files)")
        yield Finding(
            about="backups",
            health=Health.WARN,
            text=text.format(place=outlived[0], count=len(outlived)),
            next_step=_("delete it once you are sure that you will not go back to it"),
        )
        return
    newest = max(files, key=made.__getitem__)
    text = _("the newest is {name}, of {when}").format(name=newest.name, when=rfc3339(made[newest]))
    yield Finding(
        about="backups", health=Health.OK, text=text, next_step=step if now - made[newest] > OLD_BACKUP else ""
    )


def check_moved(settings: Settings) -> Iterator[Finding]:
    """What a move to PostgreSQL left so that one could go back, and what nothing clears any more."""
    if not settings.on_postgresql:
        return
    places = (settings.database_path, *sorted(settings.ledger_dir.glob("*.sqlite3")))
    if (settings.data_dir / MOVE_BEGUN).exists():
        text = _("the move to PostgreSQL was interrupted: {place} is not put aside")
        yield Finding(
            about="moved",
            health=Health.WARN,
            text=text.format(place=next((one for one in places if one.exists()), settings.data_dir)),
            next_step=_("stop the server and run `seawall move-to-postgresql` again, with the same address"),
        )
    left = [
        path for place in (settings.data_dir, settings.ledger_dir) for path in sorted(place.glob("*.sqlite3.moved"))
    ]
    if left:
        text = _("{place} is a copy from before the move to PostgreSQL; nothing in it is ever cleared")
        yield Finding(
            about="moved",
            health=Health.WARN,
            text=text.format(place=left[0]),
            next_step=_("when all is well on PostgreSQL: rm {database}.moved* {ledger}/*.moved*").format(
                database=settings.database_path, ledger=settings.ledger_dir
            ),
        )


def check_address(settings: Settings) -> Iterator[Finding]:
    """Whether keys, passwords and uploads cross networks in the clear."""
    url = settings.base_url
    try:
        public = urlsplit(url)
        host, _port = public.hostname or "", public.port
    except ValueError:
        public, host = urlsplit(""), ""
    if public.scheme not in {"http", "https"} or not host:
        yield Finding(
            about="address",
            health=Health.BAD,
            text=_("public_url {url!r} is no address of a web site").format(url=url),
            next_step=_("write it in full, such as https://seawall.example.org"),
        )
    elif public.scheme == "http" and not (_is_this_machine(host) and _is_this_machine(settings.host)):
        yield Finding(
            about="address",
            health=Health.WARN,
            text=_("{url}: passwords, keys and uploads cross the network unencrypted").format(url=url),
            next_step=_(
                "put a reverse proxy with TLS in front (deploy/nginx, deploy/Caddyfile), then set public_url to its "
                "https:// address"
            ),
        )
    elif public.scheme == "https" and not settings.proxies:
        yield Finding(
            about="address",
            health=Health.WARN,
            text=_("{url}, but no proxy is trusted: all people seem to come from the proxy's address").format(url=url),
            next_step=_("set trusted_proxies to the address of your reverse proxy, such as 127.0.0.1"),
        )
    else:
        yield Finding(about="address", health=Health.OK, text=url)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_connections(settings: Settings) -> Iterator[Finding]:
    """Everything that this installation connects to. Nothing leaves the machine until it is enabled (DESIGN §4)."""
    found = []
    if settings.on_postgresql:
        found.append(_("the database, {where}").format(where=without_password(settings.database_url)))
    try:
        server = _mail_server(settings)
    except (OSError, msgspec.DecodeError) as error:
        yield Finding(
            about="connections",
            health=Health.BAD,
            text=_("which mail server is used cannot be read: {error}").format(error=type(error).__name__),
            next_step=_("set it again with `seawall mail set`, or do without with `seawall mail off`"),
        )
        return
    if server is not None:
        found.append(_("the mail server, {host} port {port}").format(host=server.host, port=server.port))
    text = f"{len(found)}: {'; '.join(found)}" if found else _("none: nothing leaves this machine")
    yield Finding(about="connections", health=Health.OK, text=text)


class _MailServer(msgspec.Struct):
    """Of what the mail door keeps in the directory of keys: where it connects to, and nothing else."""

    host: str
    port: int


def _mail_server(settings: Settings) -> _MailServer | None:
    path = settings.keys_dir / "mail.json"
    return msgspec.json.decode(path.read_bytes(), type=_MailServer) if path.exists() else None
