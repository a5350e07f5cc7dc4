"""Every setting Seawall has, in one typed object: flags > `SEAWALL_*` > `seawall.toml` in the data directory."""

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import msgspec

DEFAULT_DATA_DIRECTORY = "seawall-data"

#: Environment variables that steer how the package is built, not how it runs.
BUILD_VARIABLES = frozenset({"SEAWALL_REQUIRE_EXT", "SEAWALL_NO_EXT"})

#: Translated texts, as `<language>/LC_MESSAGES/seawall.mo` and `django.mo`; docs/how-to/translate.md.
CATALOGUES = Path(__file__).parent / "locale"

#: Every environment variable of ours begins so.
PREFIX = "SEAWALL_"


#: No date arithmetic can overflow below it.
LONGEST_KEPT_DAYS = 36_500

#: More processes than any machine has cores, less than would bring one down by a slip of the keyboard.
MOST_DECODERS = 1_024

#: Whoever waits longer for a picture has given up.
LONGEST_DEADLINE = 3_600.0

#: libpq takes passwords as parameters too.
_SECRET = re.compile(r"(?i)([?&](?:ssl)?password=)[^&]*")


class SettingsError(ValueError):
    """A setting is unknown or has the wrong form; the message names it and where it came from."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may set. Each field is a flag, `SEAWALL_<FIELD>` and a key of `seawall.toml`.

    Sizes are bytes, times are seconds unless the name says otherwise.
    """

    #: Where everything is kept: database, ledger, keys, held uploads.
    data_dir: Path = Path(DEFAULT_DATA_DIRECTORY)
    #: `postgresql://user@host/database`; empty = SQLite inside the data directory.
    database_url: str = ""
    #: The address to listen on. Put a reverse proxy with TLS in front before you open it to others.
    host: str = "127.0.0.1"
    #: The port to listen on.
    port: int = 8080
    #: The address people reach this Seawall at, used in links; empty = http://host:port.
    public_url: str = ""
    #: Addresses or networks of the reverse proxies in front, separated by commas, such as `127.0.0.1`. Only theirs are
    #: the headers X-Forwarded-For and X-Forwarded-Proto that count; empty = nobody's.
    trusted_proxies: str = ""
    #: Largest request body. A video-sized limit belongs to the work that screens video.
    max_body_bytes: int = 64 * 1024 * 1024
    #: Decoder processes; 0 = one a core.
    decoders: int = 0
    #: A picture that takes longer than this to open is not screened but `degraded`.
    decoder_deadline: float = 10.0
    #: Address space of one decoder process.
    decoder_memory_bytes: int = 2 * 1024**3
    #: Screenings without a match stay this long, in days.
    keep_unmatched_days: int = 30
    #: Screenings with a match or a hold stay this long, in days, and never shorter than hold or appeal window.
    keep_matched_days: int = 180
    #: Requests that may wait for a decoder at once; more are answered 429.
    queue_limit: int = 256
    #: `text` or `json`.
    log_format: str = "text"

    @property
    def keys_dir(self) -> Path:
        return self.data_dir / "keys"

    @property
    def console_key_path(self) -> Path:
        """What the console's sessions are signed with."""
        return self.keys_dir / "console.key"

    @property
    def ledger_dir(self) -> Path:
        return self.data_dir / "ledger"

    @property
    def holds_dir(self) -> Path:
        return self.data_dir / "holds"

    @property
    def state_dir(self) -> Path:
        return self.data_dir / "state"

    @property
    def database_path(self) -> Path:
        return self.data_dir / "seawall.sqlite3"

    @property
    def base_url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def people_url(self) -> str:
        """Where people open our pages: `base_url`, but this machine by name, as in the set-up link. Browsers trust that
        name with passkeys, and no number; and who signed in under one of the two is a stranger under the other.
        """
        url = urlsplit(self.base_url)
        try:
            here = ipaddress.ip_address(url.hostname or "")
        except ValueError:
            return self.base_url
        is_named = not self.public_url and (here.is_loopback or here.is_unspecified)
        return f"http://localhost:{self.port}" if is_named else self.base_url

    @property
    def on_postgresql(self) -> bool:
        return bool(self.database_url)

    @property
    def proxies(self) -> tuple[str, ...]:
        """The `trusted_proxies` one by one."""
        return tuple(one.strip() for one in self.trusted_proxies.split(",") if one.strip())


def load_settings(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """The settings in force. Flags that are None were not given.

    Raises:
        SettingsError: an unknown or malformed setting, with its name, its source and what is expected.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    from_environment = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name not in BUILD_VARIABLES
    }
    data_dir = Path(given.get("data_dir") or from_environment.get("data_dir") or DEFAULT_DATA_DIRECTORY)
    values: dict[str, Any] = _read_toml(data_dir / "seawall.toml")
    for source, layer in (("the environment (SEAWALL_…)", from_environment), ("the command line", given)):
        unknown = sorted(set(layer) - set(Settings.__struct_fields__))
        if unknown:
            raise SettingsError(f"{source} has no setting called {unknown[0]!r}; see docs/reference/settings.md")
        values.update(layer)
    values["data_dir"] = str(data_dir)
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_as_path)
    except msgspec.ValidationError as error:
        raise SettingsError(f"a setting has the wrong form: {error}; see docs/reference/settings.md") from error
    return _checked(settings)


def _as_path(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)


def _read_toml(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    unknown = sorted(set(values) - (set(Settings.__struct_fields__) - {"data_dir"}))
    if unknown:
        raise SettingsError(f"{path} has no setting called {unknown[0]!r}; see docs/reference/settings.md")
    return values


def _checked(settings: Settings) -> Settings:
    _check_database_url(settings.database_url)
    _check_proxies(settings.proxies)
    if not 0 <= settings.port <= 65535:
        raise SettingsError(f"port {settings.port} is outside 0..65535")
    if settings.log_format not in {"text", "json"}:
        raise SettingsError(f"log_format {settings.log_format!r} is neither text nor json")
    for name in ("max_body_bytes", "decoder_memory_bytes", "keep_unmatched_days", "keep_matched_days", "queue_limit"):
        if getattr(settings, name) < 1:
            raise SettingsError(f"{name} must be at least 1")
    for name in ("keep_unmatched_days", "keep_matched_days"):
        if getattr(settings, name) > LONGEST_KEPT_DAYS:
            raise SettingsError(f"{name} must be at most {LONGEST_KEPT_DAYS}, which is a hundred years")
    if not 0 <= settings.decoders <= MOST_DECODERS:
        raise SettingsError(f"decoders {settings.decoders} is outside 0..{MOST_DECODERS}; 0 means one for each core")
    # Written so that "nan" fails as well.
    if not 0 < settings.decoder_deadline <= LONGEST_DEADLINE:
        raise SettingsError(f"decoder_deadline must be above 0 and at most {LONGEST_DEADLINE} seconds")
    return settings


def _check_proxies(proxies: tuple[str, ...]) -> None:
    """Names and wildcards are refused: whoever is trusted here may claim to be anybody."""
    for one in proxies:
        try:
            network = ipaddress.ip_network(one)
        except ValueError:
            raise SettingsError(
                f"trusted_proxies: {one!r} is neither an address nor a network; write such as 127.0.0.1 or 10.0.0.0/24"
            ) from None
        if network.prefixlen == 0:
            raise SettingsError(f"trusted_proxies: {one} would trust everybody; name the proxies' own addresses")


def _check_database_url(url: str) -> None:
    """What is wrong with the URL, without repeating it: it may hold a password."""
    if not url:
        return
    try:
        parts = urlsplit(url)
        has_name = bool(parts.path.strip("/")) or {"dbname", "service"} & {name for name, _ in parse_qsl(parts.query)}
        _ = parts.port
    except ValueError:
        raise SettingsError(
            "SEAWALL_DATABASE_URL cannot be read: write special characters of user name and password as %XX, such as "
            "%40 for @, %2F for / and %23 for #"
        ) from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise SettingsError("SEAWALL_DATABASE_URL must start with postgresql://; leave it out for SQLite")
    if not has_name:
        raise SettingsError("SEAWALL_DATABASE_URL names no database: write postgresql://user@host/database")


def without_password(database_url: str) -> str:
    """The URL as it may be shown in logs and by `doctor`."""
    parts = urlsplit(database_url)
    if parts.password is not None:
        host = parts.netloc.rpartition("@")[2]
        database_url = urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))
    return _SECRET.sub(r"\1***", database_url)
