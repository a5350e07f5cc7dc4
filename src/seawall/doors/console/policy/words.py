"""Rules in words, and what changed between two sets of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from seawall.matching.model import BankKind
from seawall.screening.model import Action, BankRules, Rule


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One rule that differs: `how` is added, removed or changed, `lines` say what, each from old to new."""

    rule: str
    how: str
    lines: tuple[str, ...]


def sentence(rule: Rule) -> str:
    """When …, then …."""
    return _("When {when}, then {then}.").format(when=_when(rule), then=_then(rule.action))


def _when(rule: Rule) -> str:
    conditions = []
    if rule.banks:
        conditions.append(_("a match is in {banks}").format(banks=_or(rule.banks)))
    if rule.labels:
        labels = _or(rule.labels)
        said = _("it carries the label {labels}") if rule.banks else _("a match carries the label {labels}")
        conditions.append(said.format(labels=labels))
    if not conditions:
        conditions.append(_("there is any match"))
    if rule.max_distance == 0:
        conditions.append(_("it is exact"))
    elif rule.max_distance is not None:
        near = ngettext("it lies within {n} bit", "it lies within {n} bits", rule.max_distance)
        conditions.append(near.format(n=rule.max_distance))
    if rule.min_confirmed_by > 0:
        confirmed = ngettext(
            "at least {n} organisation confirmed it", "at least {n} organisations confirmed it", rule.min_confirmed_by
        )
        conditions.append(confirmed.format(n=rule.min_confirmed_by))
    return _(" and ").join(conditions)


def _then(action: Action) -> str:
    return {
        Action.ALLOW: _("allow it"),
        Action.HOLD: _("hold it until a person has looked"),
        Action.BLOCK: _("block it"),
    }[action]


def _or(names: Sequence[str]) -> str:
    return _(" or ").join(names)


def does(bank: BankRules) -> str:
    """What a match in this bank does where no rule speaks about it."""
    if bank.kind is BankKind.NO_LOOK:
        return _("is refused unseen; no rule can change that")
    if bank.kind is BankKind.KNOWN_SAFE:
        return _("sets other matches aside; no rule can change that")
    return {
        Action.ALLOW: _("is allowed"),
        Action.HOLD: _("is held until a person has looked"),
        Action.BLOCK: _("is blocked, if people confirmed the signal or the bank is trusted; otherwise held"),
    }[bank.default_action]


def differences(old: Sequence[Rule], new: Sequence[Rule]) -> list[Change]:
    """What somebody changed who turned `old` into `new`, rule by rule in the order of their names."""
    before, after = {rule.name: rule for rule in old}, {rule.name: rule for rule in new}
    found = []
    for name in sorted({*before, *after}):
        if name not in after:
            found.append(Change(rule=name, how="removed", lines=(sentence(before[name]),)))
        elif name not in before:
            found.append(Change(rule=name, how="added", lines=(sentence(after[name]),)))
        elif before[name] != after[name]:
            found.append(Change(rule=name, how="changed", lines=_changed(before[name], after[name])))
    return found


def _changed(old: Rule, new: Rule) -> tuple[str, ...]:
    lines = []
    if sentence(old) != sentence(new):
        lines.append(_("Was: {old} Now: {new}").format(old=sentence(old), new=sentence(new)))
    for label, was, now in (
        (_("Reason code"), old.code, new.code),
        (_("Text for the platform"), old.text, new.text),
        (_("Text for the uploader"), old.public_text, new.public_text),
        (_("Priority"), str(old.priority), str(new.priority)),
    ):
        if was != now:
            lines.append(_("{what} was “{old}”, now “{new}”").format(what=label, old=was, new=now))
    return tuple(lines)
