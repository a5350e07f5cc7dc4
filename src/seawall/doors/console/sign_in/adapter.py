"""Where allauth asks how things are done here."""

from typing import Any
from urllib.parse import urlsplit

import qrcode
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from qrcode.image.svg import SvgPathImage

from seawall.doors.console.context import context_of
from seawall.doors.console.saying import say
from seawall.doors.console.sign_in.mail import send_reset
from seawall.doors.console.sign_in.sealing import CannotOpen, seal, unseal
from seawall.members.accounts import instance, set_password
from seawall.members.models import Account


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        """An account comes from a set-up link, and from nothing else."""
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Only paths of our own: there is no other host that anybody should be led to."""
        return url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Sign in, with a new session key, until the browser is closed or nothing was asked for 12 hours."""
        super().login(request, user)
        request.session.set_expiry(0)

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """With its event, in one transaction."""
        assert isinstance(user, Account)  # noqa: S101 - AUTH_USER_MODEL
        set_password(user, password, now=context_of(self.request).clock())

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Under the address that the owner set, never under what a request calls us: that name could be anybody's."""
        uidb36, _dash, token = key.partition("-")
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": uidb36, "key": token})
        return f"{context_of(self.request).settings.people_url}{path}"

    def send_password_reset_mail(self, user: Account, email: str, context: dict[str, str]) -> None:  # noqa: ARG002 - allauth's signature
        """To the address of the account, which is the one that was typed but for its case."""
        about = context_of(self.request)
        send_reset(user.email, context["password_reset_url"], about.settings, now=about.clock())

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002 - allauth's signature
        """Back to the page that led there."""
        return reverse("me")

    def add_message(
        self, request: HttpRequest, _level: int, message_template: str | None = None, *_args: Any, **_more: Any
    ) -> None:
        """Said once on the next page, in our words."""
        text = _said().get(message_template or "")
        if text and request.user.is_authenticated:
            say(request, text)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, str]) -> None:
        """Nothing else is mailed by allauth, least of all to addresses without an account."""

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: str) -> str:  # noqa: ARG002 - allauth's signature
        """By the address alone. allauth adds the host that was asked, which whoever guesses could vary."""
        return credentials.get("email", "").strip().lower()


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    def get_totp_issuer(self) -> str:
        """What an authenticator app shows above the code."""
        return instance().name or "Seawall"

    def build_totp_svg(self, url: str) -> str:
        """The QR code as an SVG that can stand in a page."""
        return str(qrcode.make(url, image_factory=SvgPathImage).to_string(encoding="unicode"))

    def encrypt(self, text: str) -> str:
        """A secret as it may stand in the database."""
        return seal(text, context_of(context.request).settings.keys_dir)

    def decrypt(self, encrypted_text: str) -> str:
        """The secret again; where that is impossible, the form says what to do."""
        try:
            return unseal(encrypted_text, context_of(context.request).settings.keys_dir)
        except CannotOpen as error:
            text = _(
                "Your second factor cannot be read on this server: its key is missing. Ask the owner for a new link; "
                "the owner runs `seawall setup-link`."
            )
            raise ValidationError(text) from error

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Passkeys belong to the host they were made at."""
        host = urlsplit(f"//{context.request.get_host()}").hostname or ""
        return {"id": host, "name": instance().name or "Seawall"}

    def get_public_key_credential_user_entity(self, user: Account) -> dict[str, object]:
        """What a passkey is shown as."""
        entity: dict[str, object] = super().get_public_key_credential_user_entity(user)
        return {**entity, "display_name": user.person.name}

    def generate_authenticator_name(self, user: Account, type: str) -> str:  # noqa: A002 - allauth's signature
        """A name to begin with."""
        return _("Passkey {number}").format(number=Authenticator.objects.filter(user=user, type=type).count() + 1)


def _said() -> dict[str, str]:
    """What is said where allauth would draw a template."""
    return {
        "account/messages/password_changed.txt": _("Your password was changed. Everywhere else you are signed out."),
        "mfa/messages/totp_activated.txt": _("Your authenticator app is set up."),
        "mfa/messages/totp_deactivated.txt": _("Your authenticator app is not asked for any more."),
        "mfa/messages/webauthn_added.txt": _("Your passkey was added."),
        "mfa/messages/webauthn_removed.txt": _("The passkey was removed."),
    }
