from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from seawall.doors.console.access import page, public
from seawall.doors.console.context import context_of
from seawall.doors.console.saying import say
from seawall.doors.console.wizard.forms import AccountForm
from seawall.members.accounts import LinkRefused, OpenedLink, instance, open_link, set_account
from seawall.members.models import Account
from seawall.members.people import BadPerson
from seawall.members.roles import Right


@page(Right.CONFIGURE, during_setup=True)
def setup(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view
    """Where the wizard goes on; home when it is done."""
    step = instance().next_step
    return HttpResponseRedirect(reverse(f"setup_{step}") if step else reverse("home"))


@public
def setup_link(request: HttpRequest, token: str) -> HttpResponse:
    """A one-time link: looking at it uses nothing up; its form makes the account, or renews it, and signs in."""
    now = context_of(request).clock()
    try:
        opened = open_link(token, now)
    except LinkRefused:
        return _refused(request)
    form = AccountForm(request.POST or None, link=opened)
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            account = set_account(
                token, email=chosen["email"], password=chosen["password"], name=chosen["name"], now=now
            )
        except LinkRefused:
            return _refused(request)
        except BadPerson as error:
            form.add_error("email", str(error))
        else:
            return _signed_in(request, account, opened)
    return render(request, "console/wizard/account.html", {"form": form, "link": opened})


def _signed_in(request: HttpRequest, account: Account, link: OpenedLink) -> HttpResponse:
    """Into a session that nobody knew before. Who just set the password need not repeat it to add a second factor."""
    request.session.flush()
    get_adapter().login(request, account)
    record_authentication(request, account, method="password", reauthenticated=True)
    if link.person.is_owner:
        return HttpResponseRedirect(reverse("setup"))
    say(request, _("Welcome. A second factor keeps others out of your account even if they learn your password."))
    return HttpResponseRedirect(reverse("me"))


def _refused(request: HttpRequest) -> HttpResponse:
    """One answer for links that are unknown, used or too old."""
    return render(request, "console/wizard/link_refused.html", status=404)
