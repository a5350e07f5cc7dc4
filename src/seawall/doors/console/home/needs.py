"""What needs a person now, in the order in which it should be seen to; empty on a good evening."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from seawall.doors.console.context import ConsoleContext
from seawall.doors.console.numbers import number
from seawall.doors.delivery.mail import mail_problem
from seawall.doors.delivery.server import BadMailSettings
from seawall.doors.delivery.server import load as load_mail_settings
from seawall.matching.summary import Protection
from seawall.members.models import Account, ApiKey, Person
from seawall.members.roles import Right, Role
from seawall.members.scopes import Scope
from seawall.screening import holds
from seawall.screening.holds import HoldCounts

#: Time to give a program a new key without hurry.
KEY_NOTICE = timedelta(days=14)
#: A platform has a handful; of more than this the newest are looked at.
MOST_KEYS = 200


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
    count = f"{number(waiting.limit)}+" if waiting.waiting >= waiting.limit else number(waiting.waiting)
    text = text % {"count": count}
    if first is not None and first.expires_at is not None:
        text += " " + _("The first deadline is {moment} UTC.").format(moment=_moment(first.expires_at))
    if waiting.asked:
        asked = ngettext("%(count)s person asked.", "%(count)s people asked.", waiting.asked)
        text += " " + asked % {"count": number(waiting.asked)}
    yield Need(text=text, do=_("Look at the holds"), address=reverse("holds"), urgent=True)


def _to_connect(context: ConsoleContext) -> Iterator[Need]:
    loaded = context.published()
    if loaded is None or not loaded.state.policy.surfaces:
        text = _("There is no surface yet, so nothing can be screened.")
        yield Need(text=text, do=_("Add a surface"), address=reverse("surfaces"), urgent=True)
    yield from _to_have_keys(context.clock())


def _to_have_keys(now: datetime) -> Iterator[Need]:
    """Only a key that screens brings uploads here; one that expires unseen ends that without a word."""
    rows = ApiKey.objects.filter(revoked_at__isnull=True).order_by("-id").values_list("scopes", "expires_at")
    ends = [expires for scopes, expires in rows[:MOST_KEYS] if Scope.SCREEN in scopes]
    in_force = [one for one in ends if one is None or one > now]
    if not ends:
        text = _("No program has a key yet to send uploads with, so none can reach the screening API.")
        yield Need(text=text, do=_("Make a key"), address=reverse("keys"), urgent=True)
    elif not in_force:
        text = _("Every key to send uploads with has expired, so nothing is screened.")
        yield Need(text=text, do=_("Make a key"), address=reverse("keys"), urgent=True)
    elif None not in in_force and (last := max(filter(None, in_force))) - now < KEY_NOTICE:
        text = _("The last key to send uploads with expires at {moment} UTC.").format(moment=_moment(last))
        yield Need(text=text, do=_("Make a new key"), address=reverse("keys"))


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
