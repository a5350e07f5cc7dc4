"""Binds the rooms to the outside: Django to a database, a data directory to its keys and its one `serve`."""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import django
from django.conf import global_settings
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connections
from django.utils.translation import to_language

from seawall.screening.ledger.keys import write_durably
from seawall.settings import CATALOGUES, Settings

#: SQLite waits this long for another process's write transaction; those are at most 5 000 rows (DESIGN §4).
SQLITE_BUSY_SECONDS = 20

#: A command that records a change holds the lock for a moment; a server that starts just then waits for it.
LOCK_PATIENCE_SECONDS = 1.0

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "seawall.record",
    "seawall.members",
    "seawall.matching",
    "seawall.screening",
    "seawall.doors.api",
    # Before allauth: its own templates are ours to replace.
    "seawall.doors.console",
    "seawall.doors.delivery",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_htmx",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

#: Someone who walks away from the desk is signed out after this long without a request, in seconds.
SESSION_SECONDS = 12 * 60 * 60

#: How long the link of a mail sets a new password, in seconds.
PASSWORD_LINK_SECONDS = 60 * 60

#: Who has shown once more that it is them need not do so again for this long, in seconds: finding out what a mail
#: server wants takes some tries.
AGAIN_SECONDS = 15 * 60

#: Entries of a few hundred bytes.
MOST_COUNTED = 100_000

#: A file that is tried or uploaded in the console stays in memory: nothing untrusted is spooled to disk in the clear.
#: Forms without a file are small.
FORM_BYTES = 1024 * 1024


class DataDirectoryBusy(RuntimeError):
    """Another `seawall serve` holds this data directory; the message names its process, `holder` is its id."""

    def __init__(self, data_dir: Path, holder: str) -> None:
        super().__init__(
            f"{data_dir} is already served by process {holder}. "
            "Stop that one first, or give this one another --data-dir."
        )
        self.holder = holder


def django_database(settings: Settings) -> dict[str, Any]:
    """Django's DATABASES["default"] for these settings."""
    if not settings.on_postgresql:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(settings.database_path),
            "OPTIONS": {
                "timeout": SQLITE_BUSY_SECONDS,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;",
            },
        }
    url = urlsplit(settings.database_url)
    options: dict[str, Any] = dict(parse_qsl(url.query))
    # What we answered must survive a crash, whatever the server's default is.
    options["options"] = f"{options.get('options', '')} -c synchronous_commit=on".strip()
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(url.path.lstrip("/")),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": unquote(url.hostname or options.pop("host", "")),
        "PORT": str(url.port or options.pop("port", "")),
        "OPTIONS": options,
    }


def django_configuration(settings: Settings) -> dict[str, Any]:
    return {
        "DATABASES": {"default": django_database(settings)},
        "INSTALLED_APPS": INSTALLED_APPS,
        "ROOT_URLCONF": "seawall.doors.web.urls",
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "seawall.doors.console.access.person_and_place",
                    ]
                },
            }
        ],
        "MIDDLEWARE": MIDDLEWARE,
        "USE_TZ": True,
        "TIME_ZONE": "UTC",
        "USE_I18N": True,
        "LANGUAGE_CODE": "en",
        # Only what we have: the page must not claim a language it is not written in.
        "LANGUAGES": [("en", "English"), *_translations()],
        "LOCALE_PATHS": [str(CATALOGUES)],
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "LOGGING_CONFIG": None,
        "STATIC_URL": "/static/",
        # Files are found in the packages they come in; nothing is collected, so that nothing needs building.
        "SERVESTATIC_USE_FINDERS": True,
        "SERVESTATIC_AUTOREFRESH": False,
        "SERVESTATIC_ALLOW_ALL_ORIGINS": False,
        # Addresses of our own files carry the release (`console.html`), so that a new one is asked for anew.
        "SERVESTATIC_MAX_AGE": 24 * 60 * 60,
        "FILE_UPLOAD_HANDLERS": ["django.core.files.uploadhandler.MemoryFileUploadHandler"],
        "DATA_UPLOAD_MAX_MEMORY_SIZE": FORM_BYTES,
        **_signing_in(),
        **_of_this_directory(settings),
    }


def _signing_in() -> dict[str, Any]:
    """Accounts, sessions and second factors."""
    return {
        "AUTH_USER_MODEL": "members.Account",
        "AUTHENTICATION_BACKENDS": ["allauth.account.auth_backends.AuthenticationBackend"],
        "PASSWORD_HASHERS": ["seawall.doors.console.sign_in.passwords.PasswordHasher"],
        # A link in a mail, which others may read one day.
        "PASSWORD_RESET_TIMEOUT": PASSWORD_LINK_SECONDS,
        "AUTH_PASSWORD_VALIDATORS": [
            {
                "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
                "OPTIONS": {"min_length": 12},
            },
            {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
            {
                "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
                "OPTIONS": {"user_attributes": ("email", "name")},
            },
        ],
        "CSRF_FAILURE_VIEW": "seawall.doors.web.urls.csrf_failure",
        "LOGIN_URL": "account_login",
        "LOGIN_REDIRECT_URL": "home",
        "SESSION_ENGINE": "seawall.doors.console.sign_in.sessions",
        "SESSION_COOKIE_AGE": SESSION_SECONDS,
        "SESSION_SAVE_EVERY_REQUEST": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "CSRF_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_SAMESITE": "Lax",
        "ACCOUNT_ADAPTER": "seawall.doors.console.sign_in.adapter.AccountAdapter",
        "ACCOUNT_LOGIN_METHODS": {"email"},
        "ACCOUNT_SIGNUP_FIELDS": ["email*", "password1*"],
        "ACCOUNT_USER_MODEL_USERNAME_FIELD": None,
        "ACCOUNT_USER_MODEL_EMAIL_FIELD": "email",
        # Addresses come from a set-up link that the owner made; nobody signs up.
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        "ACCOUNT_PREVENT_ENUMERATION": True,
        "ACCOUNT_SESSION_REMEMBER": False,
        "ACCOUNT_LOGOUT_ON_GET": False,
        "ACCOUNT_EMAIL_NOTIFICATIONS": False,
        "ACCOUNT_REAUTHENTICATION_TIMEOUT": AGAIN_SECONDS,
        "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
        "MFA_PASSKEY_LOGIN_ENABLED": True,
        "MFA_ALLOW_UNVERIFIED_EMAIL": True,
        "MFA_RECOVERY_CODES_SHOW_ONCE": True,
        # A telephone's clock may be half a minute off; `sign_in.forms` sees to it that a code still counts once.
        "MFA_TOTP_TOLERANCE": 1,
        "MFA_ADAPTER": "seawall.doors.console.sign_in.adapter.SecondFactorAdapter",
        "ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS": False,
        # Uvicorn knows from `trusted_proxies` who is who; a header that anybody can send says nothing to allauth.
        "ALLAUTH_TRUSTED_PROXY_COUNT": 0,
        # A passkey asks twice; nothing about it can be guessed.
        "MFA_RATE_LIMITS": {"webauthn_login": "30/m/ip"},
        "ACCOUNT_FORMS": {
            "login": "seawall.doors.console.sign_in.forms.LoginForm",
            "reauthenticate": "seawall.doors.console.sign_in.forms.ReauthenticateForm",
        },
        "MFA_FORMS": {
            "authenticate": "seawall.doors.console.sign_in.forms.AuthenticateForm",
            "reauthenticate": "seawall.doors.console.sign_in.forms.CodeAgainForm",
            "activate_totp": "seawall.doors.console.sign_in.forms.ActivateTOTPForm",
            "authenticate_webauthn": "seawall.doors.console.sign_in.forms.AuthenticateWebAuthnForm",
            "login_webauthn": "seawall.doors.console.sign_in.forms.LoginWebAuthnForm",
            "reauthenticate_webauthn": "seawall.doors.console.sign_in.forms.ReauthenticateWebAuthnForm",
            "add_webauthn": "seawall.doors.console.sign_in.forms.AddWebAuthnForm",
            "edit_webauthn": "seawall.doors.console.sign_in.forms.EditWebAuthnForm",
        },
        # Attempts are counted in this process's memory. Room for many, so that guessing at many addresses does not
        # push out what was counted about one.
        "CACHES": {
            "default": {
                "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
                "OPTIONS": {"MAX_ENTRIES": MOST_COUNTED},
            }
        },
    }


def _of_this_directory(settings: Settings) -> dict[str, Any]:
    """What changes when Django is bound to another data directory."""
    public = urlsplit(settings.base_url)
    secure = public.scheme == "https"
    return {
        "SECRET_KEY": _secret_key(settings),
        # Who asks under a foreign name never comes this far (`doors.web.limits`); programs may use any.
        "ALLOWED_HOSTS": ["*"],
        "FILE_UPLOAD_MAX_MEMORY_SIZE": settings.max_body_bytes,
        "SESSION_COOKIE_SECURE": secure,
        "CSRF_COOKIE_SECURE": secure,
        # The __Host- prefix binds a cookie to this very host; browsers accept it over TLS only.
        "SESSION_COOKIE_NAME": "__Host-seawall" if secure else "seawall",
        "CSRF_COOKIE_NAME": "__Host-seawall-csrf" if secure else "seawall-csrf",
        "ACCOUNT_DEFAULT_HTTP_PROTOCOL": public.scheme,
    }


def _secret_key(settings: Settings) -> str:
    """What sessions are signed with, from `keys/console.key`; of a directory that is not prepared, a random one."""
    try:
        return settings.console_key_path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return secrets.token_hex(32)


def _translations() -> list[tuple[str, str]]:
    """Code and name of every language that there is a catalogue for."""
    names = dict(global_settings.LANGUAGES)
    found = sorted(to_language(path.parts[-3]) for path in CATALOGUES.glob("*/LC_MESSAGES/django.mo"))
    return [(code, str(names.get(code, code))) for code in found]


def bind(settings: Settings) -> None:
    """Point Django at this data directory's database. May be called again for another one (tests do)."""
    if not django_settings.configured:
        django_settings.configure(**django_configuration(settings))
        django.setup()
        return
    for name, value in _of_this_directory(settings).items():
        setattr(django_settings, name, value)
    connections["default"].close()
    configured = connections.configure_settings({"default": django_database(settings)})
    connections.settings["default"] = configured["default"]
    # The wrapper of the other database, perhaps of another engine, is made anew at the next use.
    del connections["default"]


def prepare(settings: Settings) -> None:
    """Create the data directory where it is missing, bind Django to it and bring its tables up to date."""
    for directory in (settings.data_dir, settings.ledger_dir, settings.holds_dir, settings.state_dir):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.keys_dir.mkdir(mode=0o700, exist_ok=True)
    settings.keys_dir.chmod(0o700)
    with suppress(FileExistsError):
        write_durably(settings.console_key_path, secrets.token_hex(32).encode())
    bind(settings)
    call_command("migrate", verbosity=0, interactive=False)


def furnish(now: datetime) -> None:
    """What every data directory has: its owner, the test card and a policy. Nothing that is there is changed."""
    from seawall.matching.testcard import ensure_test_card
    from seawall.members.people import ensure_owner
    from seawall.screening.policies import ensure_built_in
    from seawall.screening.publish import bank_rules

    owner = ensure_owner(now)
    ensure_test_card(now)
    ensure_built_in(banks=bank_rules(), by=owner.id, now=now)


def is_furnished() -> bool:
    """The policy comes last, so where it is, everything is."""
    from seawall.screening.models import PolicyVersion

    return PolicyVersion.objects.exists()


def is_prepared(settings: Settings) -> bool:
    return settings.keys_dir.is_dir()


@contextmanager
def serve_lock(settings: Settings) -> Iterator[None]:
    """Hold the data directory's one lock (DESIGN §4).

    Raises:
        DataDirectoryBusy: another process holds it; the message names its process id.
    """
    patience = time.monotonic() + LOCK_PATIENCE_SECONDS
    while True:
        with try_lock(settings.data_dir) as holder:
            if holder is None:
                yield
                return
        if time.monotonic() > patience:
            raise DataDirectoryBusy(settings.data_dir, str(holder))
        time.sleep(LOCK_PATIENCE_SECONDS / 20)


@contextmanager
def try_lock(data_dir: Path) -> Iterator[str | None]:
    """Yields None when the lock is now ours, else the id of the process that holds it.

    The lock is the kernel's (flock), so that a killed process never leaves it behind.
    """
    descriptor = os.open(data_dir / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            return
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield None
    finally:
        os.close(descriptor)
