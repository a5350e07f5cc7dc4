"""allauth's pages behind our guard, and those that we do differently. None of them decides anything of ours."""

import functools
import ipaddress
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from allauth.account import views as account
from allauth.account.internal.stagekit import clear_login, unstash_login
from allauth.core.internal import ratelimit
from allauth.mfa.base import views as mfa
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.mfa.utils import is_mfa_enabled
from allauth.mfa.webauthn import views as webauthn
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator

from seawall.doors.console.access import View, page, public
from seawall.doors.console.context import context_of
from seawall.doors.console.sign_in.mail import mail_server
from seawall.members.roles import Right

#: Whoever begins to sign in with a passkey has this long, in seconds; then the row that remembers it may go.
PASSKEY_SECONDS = 5 * 60

#: In an address: the page says that the passkey was not accepted.
PASSKEY_REFUSED = "passkey=refused"


def takes_passkeys(request: HttpRequest) -> bool:
    """Whether browsers offer passkeys here: over https or on this machine, and under a name, never under a number."""
    host = urlsplit(f"//{request.get_host()}").hostname or ""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return False
    return request.is_secure() or host == "localhost" or host.endswith(".localhost")


class SignIn(account.LoginView):  # type: ignore[misc]
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With whether a passkey can be offered, and whether one was just refused."""
        told: dict[str, Any] = super().get_context_data(**kwargs)
        return {
            **told,
            "takes_passkeys": takes_passkeys(self.request),
            "passkey_refused": self.request.GET.get("passkey") == "refused",
        }


class PasskeySignIn(webauthn.LoginWebAuthnView):  # type: ignore[misc]
    @method_decorator(ratelimit.decorator(app="allauth.mfa", action="webauthn_login", limit_get=True))
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """What the passkey is to sign. Anybody may ask, so what remembers it does not stay long."""
        response: HttpResponse = super().get(request, *args, **kwargs)
        if not request.user.is_authenticated:
            request.session.set_expiry(PASSKEY_SECONDS)
        return response

    def form_invalid(self, form: Any) -> HttpResponse:  # noqa: ARG002 - Django's signature
        """To the sign-in page, which says so."""
        return HttpResponseRedirect(f"{reverse('account_login')}?{PASSKEY_REFUSED}")


class PasskeyAgain(webauthn.ReauthenticateWebAuthnView):  # type: ignore[misc]
    def form_invalid(self, form: Any) -> HttpResponse:
        """The same page again, which says so."""
        told = {**self.get_context_data(form=form), "form": form, "passkey_refused": True}
        return self.render_to_response(told)  # type: ignore[no-any-return]


class AskForPassword(account.PasswordResetView):  # type: ignore[misc]
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Where no mail can be sent, the page says so and takes nothing."""
        if mail_server(context_of(request).settings) is None:
            return self.get(request, *args, **kwargs)  # type: ignore[no-any-return]
        return super().post(request, *args, **kwargs)  # type: ignore[no-any-return]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With whether mail can be sent."""
        told: dict[str, Any] = super().get_context_data(**kwargs)
        return {**told, "mail": mail_server(context_of(self.request).settings) is not None}


def _half_way(view: View[...]) -> View[...]:
    """For who gave a password and no code yet. Whose account went meanwhile, or whose second factors were reset, begins
    anew: allauth would fail for the one, and send the other round in circles.
    """

    @functools.wraps(view)
    def still_there(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        begun = unstash_login(request, peek=True)
        asked_for = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
        if begun is not None and (begun.user is None or not is_mfa_enabled(begun.user, asked_for)):
            clear_login(request)
        return view(request, *args, **kwargs)

    return still_there


def _for_person(view: View[...]) -> View[...]:
    """For whoever is signed in: it is about their own account. Also while the wizard is under way."""
    return page(Right.LOOK, during_setup=True)(view)


def _add_passkey(request: HttpRequest) -> HttpResponse:
    """Where browsers offer none, the page of the account says why."""
    if not takes_passkeys(request):
        return HttpResponseRedirect(reverse("me"))
    added: HttpResponse = webauthn.AddWebAuthnView.as_view()(request)
    return added


@_for_person
def to_account(request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:  # noqa: ARG001 - a view
    """After a change allauth leads here; what it would list stands on the page of the account."""
    return HttpResponseRedirect(reverse("me"))


sign_in = public(_half_way(SignIn.as_view()))
sign_out = public(account.logout)
inactive = public(account.account_inactive)
ask_for_password = public(AskForPassword.as_view())
password_asked = public(account.password_reset_done)
new_password = public(account.password_reset_from_key)
new_password_set = public(account.password_reset_from_key_done)
code = public(_half_way(mfa.authenticate))
passkey_sign_in = public(PasskeySignIn.as_view())

password_again = _for_person(account.reauthenticate)
change_password = _for_person(account.password_change)
code_again = _for_person(mfa.reauthenticate)
passkey_again = _for_person(PasskeyAgain.as_view())
add_app = _for_person(totp.activate_totp)
remove_app = _for_person(totp.deactivate_totp)
see_codes = _for_person(recovery_codes.view_recovery_codes)
make_codes = _for_person(recovery_codes.generate_recovery_codes)
add_passkey = _for_person(_add_passkey)
remove_passkey = _for_person(webauthn.remove_webauthn)
rename_passkey = _for_person(webauthn.edit_webauthn)
