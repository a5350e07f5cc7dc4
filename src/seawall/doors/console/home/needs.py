"""What needs a person now, in the order in which it should be seen to; empty on a good evening."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from seawall.doors.console.context import ConsoleContext
from seawall.doors.delivery.mail import mail_problem
from seawall.doors.delivery.server import BadMailSettings
from seawall.doors.delivery.server import load as load_mail_settings
from seawall.matching.summary import Protection
from seawall.members.models import Account, ApiKey, Person
from seawall.members.roles import Right, Role
from seawall.screening import holds
from seawall.screening.holds import HoldCounts


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """One thing to see to. `urgent`: somebody's upload waits, or nothing is screened."""

    text: str
    do: str
    address: str
    urgent: bool = False


def needs(context: ConsoleContext, person: Person, protection: Protection, waiting: HoldCounts) -> tuple[Need, ...]:
    rights = Role(person.role).rights
    found = [*_holds(waiting, rights)]
    if Right.CONFIGURE in rights:
        found += [*_to_connect(context), *_to_protect(protection), *_to_be_told(context)]
    return (*found, *_to_sign_in_safely(person))


def _holds(waiting: HoldCounts, rights: frozenset[Right]) -> Iterator[Need]:
    if not waiting.waiting or Right.DECIDE not in rights:
        return
    first = next(iter(holds.waiting(limit=1)), None)
    text = ngettext("%(count)s upload waits for a person.", "%(count)s uploads wait for a person.", waiting.waiting)
    number = f"{waiting.limit}+" if waiting.waiting >= waiting.limit else str(waiting.waiting)
    text = text % {"count": number}
    if first is not None and first.expires_at is not None:
        text += " " + _("The first deadline is {moment} UTC.").format(moment=_moment(first.expires_at))
    if waiting.asked:
        asked = ngettext("%(count)s person asked.", "%(count)s people asked.", waiting.asked)
        text += " " + asked % {"count": waiting.asked}
    yield Need(text=text, do=_("Look at the holds"), address=reverse("holds"), urgent=True)


def _to_connect(context: ConsoleContext) -> Iterator[Need]:
    loaded = context.published()
    if loaded is None or not loaded.state.policy.surfaces:
        text = _("There is no surface yet, so nothing can be screened.")
        yield Need(text=text, do=_("Add a surface"), address=reverse("surfaces"), urgent=True)
    if not ApiKey.objects.filter(revoked_at__isnull=True).exists():
        text = _("No program has a key yet, so no upload can reach the screening API.")
        yield Need(text=text, do=_("Make a key"), address=reverse("keys"), urgent=True)


def _to_protect(protection: Protection) -> Iterator[Need]:
    if not protection.signals:
        text = _("No list protects your platform yet.")
        yield Need(text=text, do=_("See where lists come from"), address=reverse("sources"))


def _to_be_told(context: ConsoleContext) -> Iterator[Need]:
    known, trouble = None, None
    try:
        known = load_mail_settings(context.settings.keys_dir)
    except BadMailSettings as problem:
        trouble = str(problem)
    if known:
        trouble = mail_problem(context.settings, now=context.clock())
    if trouble:
        yield Need(text=trouble, do=_("See to the mail"), address=reverse("setup_mail"))
    elif known is None:
        text = _("Nobody gets mail when an upload waits.")
        yield Need(text=text, do=_("Set up mail"), address=reverse("setup_mail"))


def _to_sign_in_safely(person: Person) -> Iterator[Need]:
    account = Account.objects.filter(person=person).first()
    if account is not None and not Authenticator.objects.filter(user=account).exists():
        text = _("Whoever learns your password can sign in as you.")
        yield Need(text=text, do=_("Add a second step to your sign-in"), address=reverse("me"))


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M}"
