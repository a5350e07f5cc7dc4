"""The wizard's steps: one page each, in an order that can be left and gone on with. Each may be done again."""

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from seawall.doors.console.access import page, person_of
from seawall.doors.console.context import context_of
from seawall.doors.console.saying import drawn, say
from seawall.doors.console.sign_in import shown_once
from seawall.doors.console.wizard.forms import PORTS, MailForm, PlaceForm, SurfaceForm
from seawall.doors.console.wizard.snippets import ways_in
from seawall.doors.delivery.choosing import choose_server
from seawall.doors.delivery.mail import retry_now, send_test
from seawall.doors.delivery.server import BadMailSettings, MailSettings, Security, check, load
from seawall.doors.delivery.trouble import Told
from seawall.members.accounts import STEPS, finish_setup, instance, may_take, name_instance, step_taken
from seawall.members.issue import NoSuchKey, issue_key, revoke_key
from seawall.members.people import BadPerson
from seawall.members.roles import Right
from seawall.members.scopes import Scope
from seawall.screening.model import Audience, FailMode, HoldExpiry, Surface
from seawall.screening.policies import SurfaceError, list_surfaces, save_surface

#: The name under which the first key waits to be copied, and the session's word for its id, which is no secret.
KEY = "first-key"
KEY_ID = "first-key-id"

#: allauth asks again for what protects an account; so do we here.
AGAIN_FOR = "allauth.mfa"

SCOPES = (Scope.SCREEN, Scope.READ)

View = Callable[[HttpRequest], HttpResponse]


def step(this: str) -> Callable[[View], View]:
    """A page of the wizard, for the owner. A step that was not come to yet leads to the one that is next."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def in_order(request: HttpRequest) -> HttpResponse:
            if not may_take(this):
                return HttpResponseRedirect(reverse("setup"))
            return view(request)

        return page(Right.CONFIGURE, during_setup=True)(in_order)

    return decorate


def draw(request: HttpRequest, this: str, more: dict[str, Any] | None = None) -> HttpResponse:
    """The page of a step, with where in the wizard it is."""
    number = STEPS.index(this) + 1
    told = {
        "step": this,
        "number": number,
        "count": len(STEPS),
        "back": reverse(f"setup_{STEPS[number - 2]}") if number > 1 else "",
        # Later the same pages serve to change what was chosen.
        "is_set_up": not instance().next_step,
    }
    return drawn(request, f"console/wizard/{this}.html", {**told, **(more or {})})


def go_on(this: str) -> HttpResponse:
    """This step is done: to the next one, also for who went back. Who changes something later is led to their account,
    where that page is linked.
    """
    if not instance().next_step:
        return HttpResponseRedirect(reverse("me"))
    step_taken(this)
    return HttpResponseRedirect(reverse(f"setup_{STEPS[STEPS.index(this) + 1]}"))


@step("name")
def name(request: HttpRequest) -> HttpResponse:
    """What this installation is called."""
    form = PlaceForm(request.POST or None, initial={"name": instance().name})
    if request.method == "POST" and form.is_valid():
        try:
            name_instance(form.cleaned_data["name"], by=person_of(request).id, now=context_of(request).clock())
        except BadPerson as error:
            form.add_error("name", str(error))
        else:
            return go_on("name")
    return draw(request, "name", {"form": form})


@step("surface")
def surface(request: HttpRequest) -> HttpResponse:
    """A place where people publish; more of them by coming back to this page."""
    form = SurfaceForm(request.POST or None)
    known = {one.name: one for one in list_surfaces()}
    if request.method == "POST" and "go_on" in request.POST and known:
        return go_on("surface")
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        fields = {
            "audience": chosen["audience"],
            "fail_mode": FailMode(chosen["fail_mode"]),
            "hold_expiry": HoldExpiry(chosen["hold_expiry"]),
            "hold_hours": chosen["hold_hours"],
        }
        before = known.get(chosen["name"])
        # Of a surface that is there already, what was not asked here stays as it is.
        made = msgspec.structs.replace(before, **fields) if before else Surface(name=chosen["name"], **fields)
        try:
            if made != before:
                save_surface(made, by=person_of(request).id, now=context_of(request).clock())
        except SurfaceError as error:
            form.add_error(None, str(error))
        else:
            step_taken("surface")
            if "another" in request.POST:
                say(request, _("{name} is saved. Name another one.").format(name=made.name))
                return HttpResponseRedirect(reverse("setup_surface"))
            return go_on("surface")
    return draw(request, "surface", {"form": form, "surfaces": list_surfaces()})


@step("mail")
def mail(request: HttpRequest) -> HttpResponse:
    """The mail server: tried, then saved; or later."""
    if request.method == "POST" and "later" in request.POST:
        return go_on("mail")
    if not instance().next_step and is_reauthentication_required(request, app=AGAIN_FOR):
        # Links that set new passwords go through it: whoever finds an open session must not lead them to themselves.
        # allauth would keep the form until then, and with it a password, in the session's row.
        return show_again_that_it_is_you(request, reverse("setup_mail"))
    keys_dir = context_of(request).settings.keys_dir
    try:
        before = load(keys_dir)
    except BadMailSettings:
        before = None
    form = MailForm(request.POST or None, has_password=bool(before and before.password), initial=_initial(before))
    told: Told | None = None
    if request.method == "POST" and form.is_valid():
        server = _server(form.cleaned_data, before)
        problems = check(server)
        for problem in problems:
            form.add_error(None, problem)
        if not problems:
            told = _saved(request, server)
            if told is None:
                return HttpResponseRedirect(reverse("setup_mail")) if "try" in request.POST else go_on("mail")
    return draw(request, "mail", {"form": form, "told": told, "server": before})


def show_again_that_it_is_you(request: HttpRequest, back: str) -> HttpResponse:
    """To the password, passkey or code once more, and then there."""
    ways = get_adapter().get_reauthentication_methods(request.user)
    return HttpResponseRedirect(f"{ways[0]['url']}?{urlencode({'next': back})}")


def _saved(request: HttpRequest, server: MailSettings) -> Told | None:
    """Save the server, after a test mail if that was asked for; what went wrong with it, else None."""
    about, now = context_of(request), context_of(request).clock()
    address = person_of(request).email
    if "try" in request.POST:
        told = send_test(about.settings, address, now=now, server=server)
        if not told.sent:
            return told
        say(
            request,
            _("Saved. The mail server took a test mail to {address}: look for it.").format(address=address),
        )
    choose_server(about.settings, server, by=person_of(request).id, now=now)
    retry_now(now=now)
    return None


def _initial(server: MailSettings | None) -> dict[str, Any]:
    """What the form begins with: everything but the password."""
    if server is None:
        return {"security": str(Security.TLS)}
    return {
        "host": server.host,
        "security": str(server.security),
        "port": server.port,
        "sender": server.sender,
        "username": server.username,
    }


def _server(chosen: dict[str, Any], before: MailSettings | None) -> MailSettings:
    security = Security(chosen["security"])
    password = chosen["password"]
    if not password and before is not None and (before.host, before.username) == (chosen["host"], chosen["username"]):
        # Kept for the same account on the same server only: it is sent to no other.
        password = before.password
    asked = {
        "host": chosen["host"],
        "port": chosen["port"] or PORTS[security],
        "security": security,
        "sender": chosen["sender"],
        "username": chosen["username"],
        "password": password,
    }
    return msgspec.structs.replace(before, **asked) if before else MailSettings(**asked)


@step("key")
def key(request: HttpRequest) -> HttpResponse:
    """One button. The key is in memory until the wizard is done, so that the next steps can show it filled in."""
    shown = shown_once.look(request, KEY)
    if request.method == "POST":
        if "go_on" in request.POST and request.session.get(KEY_ID):
            return go_on("key")
        # Pressed twice, the button makes one key.
        if not shown or "again" in request.POST:
            _make_key(request)
            step_taken("key")
        return HttpResponseRedirect(reverse("setup_key"))
    return draw(request, "key", {"key": shown, "made": bool(request.session.get(KEY_ID))})


def _make_key(request: HttpRequest) -> None:
    """A key that screens and reads; the one that this wizard made before ends."""
    by, now = person_of(request).id, context_of(request).clock()
    old = request.session.get(KEY_ID)
    made, shown = issue_key(name=_("my platform"), scopes=SCOPES, by=by, now=now)
    if old:
        try:
            revoke_key(old, by=by, now=now, reason="replaced")
        except NoSuchKey:
            # Whoever restored an older backup meanwhile has no such key, and needs none revoked.
            request.session.pop(KEY_ID)
    request.session[KEY_ID] = made.key_id
    shown_once.keep(request, KEY, shown)


@step("connect")
def connect(request: HttpRequest) -> HttpResponse:
    """What to paste into the platform's program, filled in."""
    if request.method == "POST":
        return go_on("connect")
    shown = shown_once.look(request, KEY)
    ways = ways_in(context_of(request).settings.base_url, shown or "YOUR-KEY", first_surface())
    return draw(request, "connect", {"ways": ways, "has_key": bool(shown)})


@step("done")
def done(request: HttpRequest) -> HttpResponse:
    """What stands, what does not yet; leaving this page ends the wizard."""
    if request.method == "POST":
        finish_setup(by=person_of(request).id, now=context_of(request).clock())
        shown_once.take(request, KEY)
        return HttpResponseRedirect(reverse("home"))
    try:
        has_mail = load(context_of(request).settings.keys_dir) is not None
    except BadMailSettings:
        has_mail = False
    return draw(request, "done", {"surfaces": list_surfaces(), "has_mail": has_mail})


def first_surface() -> str:
    """The surface that examples name: one that may be screened."""
    usable = [one.name for one in list_surfaces() if one.audience is not Audience.PRIVATE]
    return usable[0] if usable else "posts"
