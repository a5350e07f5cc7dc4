"""One listed signal: finding it, and what people do with it."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from seawall.doors.console.access import page, person_of
from seawall.doors.console.banks.forms import FindForm, MuteForm, WithdrawForm
from seawall.doors.console.banks.views import bank_called, bank_page
from seawall.doors.console.banks.words import lines, names_of, refusal, state_of
from seawall.doors.console.context import context_of
from seawall.doors.console.saying import drawn, say
from seawall.matching.banks import confirm, dispute, mute, withdraw
from seawall.matching.browse import look_up, signal_in
from seawall.matching.checks import BankError
from seawall.matching.model import BankKind
from seawall.matching.models import Bank, ListedSignal
from seawall.members.roles import Right
from seawall.record.clock import parse_rfc3339
from seawall.record.ids import id_time

#: What each button does, with the words for afterwards. Those of a known-safe or no-look bank are neither confirmed nor
#: disputed: that would change nothing.
FOR_LISTED = frozenset({"confirm", "dispute", "settle"})
ACTIONS = FOR_LISTED | {"mute", "unmute", "withdraw"}


@page(Right.LOOK)
@require_POST
def find(request: HttpRequest, name: str) -> HttpResponse:
    """By POST, so that a hash or an address that somebody looks for stays out of histories and logs."""
    bank, form = bank_called(name), FindForm(request.POST)
    if not form.is_valid():
        return bank_page(request, bank, find=form, status=422)
    try:
        found = look_up(bank, form.cleaned_data["sought"])
    except BankError as error:
        form.add_error("sought", refusal(error))
        return bank_page(request, bank, find=form, status=422)
    if len(found) == 1:
        return redirect("signal", bank.name, found[0].signal_id)
    now = context_of(request).clock()
    return bank_page(request, bank, find=form, searched=True, several=lines(bank, found, now))


@page(Right.LOOK)
def signal(request: HttpRequest, name: str, signal_id: str) -> HttpResponse:
    bank = bank_called(name)
    return _signal_page(request, bank, _signal_in(bank, signal_id))


@page(Right.LIST)
@require_POST
def change_signal(request: HttpRequest, name: str, signal_id: str) -> HttpResponse:
    bank = bank_called(name)
    row = _signal_in(bank, signal_id)
    what = request.POST.get("action", "")
    if what not in ACTIONS or (what in FOR_LISTED and bank.kind != BankKind.LISTED):
        raise Http404
    now = context_of(request).clock()
    muting = MuteForm(request.POST if what == "mute" else None, now=now)
    withdrawing = WithdrawForm(request.POST if what == "withdraw" else None)
    if (muting.is_bound and not muting.is_valid()) or (withdrawing.is_bound and not withdrawing.is_valid()):
        return _signal_page(request, bank, row, muting=muting, withdrawing=withdrawing, status=422)
    until = muting.cleaned_data["until"] if muting.is_bound else None
    reason = withdrawing.cleaned_data["reason"] if withdrawing.is_bound else ""
    acts: dict[str, Callable[..., object]] = {
        "confirm": confirm,
        "dispute": dispute,
        "settle": partial(dispute, disputed=False),
        "mute": partial(mute, until=until),
        "unmute": partial(mute, until=None),
        "withdraw": partial(withdraw, reason=reason),
    }
    try:
        acts[what](signal_id, by=person_of(request).id, now=now)
    except BankError as error:
        return _signal_page(request, bank, row, problem=refusal(error), status=409)
    say(request, _done(what, until))
    return redirect("signal", bank.name, signal_id)


def _done(what: str, until: datetime | None) -> str:
    return {
        "confirm": _("You confirmed it. From within a second it may block by itself."),
        "dispute": _("It is disputed. From within a second it holds and does not block."),
        "settle": _("The dispute is settled."),
        "mute": _("It matches nothing until {end} UTC, from within a second.").format(
            end=f"{until:%Y-%m-%d %H:%M}" if until else ""
        ),
        "unmute": _("It matches again within a second."),
        "withdraw": _("It is withdrawn. It matches nothing within a second."),
    }[what]


def _signal_in(bank: Bank, signal_id: str) -> ListedSignal:
    try:
        return signal_in(bank, signal_id)
    except BankError as error:
        raise Http404 from error


def _signal_page(
    request: HttpRequest,
    bank: Bank,
    row: ListedSignal,
    *,
    muting: MuteForm | None = None,
    withdrawing: WithdrawForm | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    now = context_of(request).clock()
    names = names_of(one["by"] for one in row.confirmed_by if "by" in one)
    confirmations = [
        {
            "who": one.get("organisation") or names.get(one.get("by", ""), ""),
            "at": parse_rfc3339(one["at"]) if "at" in one else None,
        }
        for one in row.confirmed_by
    ]
    return drawn(
        request,
        "console/banks/signal.html",
        {
            "bank": bank,
            "signal": row,
            "state": state_of(row, now),
            "looks": bank.kind != BankKind.NO_LOOK,
            "is_listed_bank": bank.kind == BankKind.LISTED,
            "listed_at": id_time("sig", row.signal_id),
            "confirmations": confirmations,
            "mine": any(one.get("by") == person_of(request).id for one in row.confirmed_by),
            "low_quality": row.quality is not None and row.quality < 50,
            "muting": muting or MuteForm(now=now),
            "withdrawing": withdrawing or WithdrawForm(),
            "problem": problem,
        },
        status=status,
    )
