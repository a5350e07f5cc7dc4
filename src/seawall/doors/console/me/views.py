from allauth.mfa.models import Authenticator
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from seawall.doors.console.access import page, person_of, rights_of
from seawall.doors.console.context import context_of
from seawall.doors.console.me.forms import MeForm
from seawall.doors.console.saying import drawn, say
from seawall.doors.console.sign_in.mail import mail_server
from seawall.doors.console.sign_in.views import takes_passkeys
from seawall.members.models import Account
from seawall.members.people import BadPerson, change_person
from seawall.members.roles import Right
from seawall.members.sessions import end_sessions


@page(Right.LOOK, during_setup=True)
def me(request: HttpRequest) -> HttpResponse:
    """The page of whoever looks at it."""
    person = person_of(request)
    form = MeForm(request.POST or None, initial={"name": person.name, "notify": person.notify})
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            change_person(
                person.id, by=person.id, now=context_of(request).clock(), name=chosen["name"], notify=chosen["notify"]
            )
        except BadPerson as error:
            form.add_error("name", str(error))
        else:
            say(request, _("Saved."))
            return HttpResponseRedirect(reverse("me"))
    return drawn(request, "console/me/me.html", {"form": form, **_second_factors(request), **_about_mail(request)})


@page(Right.LOOK, during_setup=True)
@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    """End every session of this person, the present one too."""
    account = request.user
    assert isinstance(account, Account)  # noqa: S101 - `page` saw to it
    end_sessions(account)
    logout(request)
    return HttpResponseRedirect(reverse("account_login"))


def _second_factors(request: HttpRequest) -> dict[str, object]:
    found = list(Authenticator.objects.filter(user_id=request.user.pk).order_by("created_at"))
    kinds = {one.type: one for one in found}
    codes = kinds.get(Authenticator.Type.RECOVERY_CODES)
    return {
        "app": kinds.get(Authenticator.Type.TOTP),
        "passkeys": [one for one in found if one.type == Authenticator.Type.WEBAUTHN],
        "codes": codes,
        # Counted from what was used, so that no code has to be opened to draw this page.
        "codes_used": codes.data.get("used_mask", 0).bit_count() if codes else 0,
        "takes_passkeys": takes_passkeys(request),
    }


def _about_mail(request: HttpRequest) -> dict[str, object]:
    return {
        "mail": mail_server(context_of(request).settings),
        "may_set_mail": Right.CONFIGURE in rights_of(request),
        "needs_mail": Right.DECIDE in rights_of(request),
    }
