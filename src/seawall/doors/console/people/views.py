from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from seawall.doors.console.access import page, person_of
from seawall.doors.console.context import context_of
from seawall.doors.console.people.forms import NewPersonForm, RoleForm
from seawall.doors.console.saying import drawn, say
from seawall.doors.console.sign_in import shown_once
from seawall.members.accounts import INVITATION_VALID, new_setup_link
from seawall.members.models import Person
from seawall.members.people import (
    BadPerson,
    NoSuchPerson,
    Present,
    add_person,
    change_person,
    people_here,
    present_person,
    remove_person,
)
from seawall.members.roles import Right, Role

#: Where a new link waits for the page that shows it.
LINK = "link"


@page(Right.CONFIGURE)
def people(request: HttpRequest) -> HttpResponse:
    """Everyone who is here, and a form for one more."""
    form = NewPersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            added = add_person(
                name=chosen["name"],
                role=Role(chosen["role"]),
                by=person_of(request).id,
                now=context_of(request).clock(),
            )
        except BadPerson as error:
            form.add_error("name", str(error))
        else:
            return _with_new_link(request, added)
    return drawn(request, "console/people/people.html", {"people": people_here(), "form": form})


@page(Right.CONFIGURE)
def person(request: HttpRequest, person_id: str) -> HttpResponse:
    """One person: their role, a link for them, and the way out. A link that was just made is shown this once."""
    present = _present(person_id)
    about = present.person
    if about.is_owner:
        # The owner renews their own access at the machine, and is neither another role nor removed.
        return HttpResponseRedirect(reverse("me"))
    form = RoleForm(request.POST or None, initial={"role": about.role})
    if request.method == "POST" and form.is_valid():
        now = context_of(request).clock()
        try:
            change_person(about.id, by=person_of(request).id, now=now, role=Role(form.cleaned_data["role"]))
        except NoSuchPerson as error:
            # They left between two clicks.
            raise Http404 from error
        except BadPerson as error:
            form.add_error("role", str(error))
        else:
            say(request, _("Saved. It counts from their next click."))
            return HttpResponseRedirect(reverse("person", args=[about.id]))
    token = shown_once.take(request, f"{LINK}:{about.id}") if request.method == "GET" else ""
    told = {
        "about": about,
        "present": present,
        "form": form,
        "link": f"{context_of(request).settings.people_url}{reverse('setup_link', args=[token])}" if token else "",
        "days": INVITATION_VALID.days,
    }
    return drawn(request, "console/people/person.html", told)


@page(Right.CONFIGURE)
@require_POST
def person_link(request: HttpRequest, person_id: str) -> HttpResponse:
    """A new link; the person's older ones open nothing any more."""
    return _with_new_link(request, _of_another(person_id))


@page(Right.CONFIGURE)
def person_remove(request: HttpRequest, person_id: str) -> HttpResponse:
    """Asks first."""
    about = _of_another(person_id)
    if request.method != "POST":
        return drawn(request, "console/people/remove.html", {"about": about})
    try:
        remove_person(about.id, by=person_of(request).id, now=context_of(request).clock())
    except NoSuchPerson as error:
        raise Http404 from error
    say(request, _("{name} cannot sign in any more.").format(name=about.name))
    return HttpResponseRedirect(reverse("people"))


def _with_new_link(request: HttpRequest, about: Person) -> HttpResponse:
    token = new_setup_link(about, by=person_of(request).id, now=context_of(request).clock())
    shown_once.keep(request, f"{LINK}:{about.id}", token)
    return HttpResponseRedirect(reverse("person", args=[about.id]))


def _of_another(person_id: str) -> Person:
    """The owner's own access is not changed here."""
    about = _found(person_id)
    if about.is_owner:
        raise Http404
    return about


def _present(person_id: str) -> Present:
    """With how they sign in; Http404 where nobody here has this id."""
    found = next((one for one in people_here() if one.person.id == person_id), None)
    if found is None:
        raise Http404
    return found


def _found(person_id: str) -> Person:
    try:
        return present_person(person_id)
    except NoSuchPerson as error:
        raise Http404 from error
