"""The form of a rule. What may be saved the room says (`lint`); its words are put beside the field they are about."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from seawall.doors.console.banks.forms import Labels
from seawall.doors.console.plain_form import PlainForm
from seawall.matching.model import LARGEST_DISTANCE
from seawall.screening.model import Action, Rule

#: A text that people read in an answer; more is a page of its own.
LONGEST_TEXT = 1_000
LONGEST_CODE = 63
LONGEST_NOTE = 500
#: Larger numbers sort nothing more finely.
LARGEST_PRIORITY = 1_000_000
MOST_CONFIRMATIONS = 1_000

ACTIONS = (
    (Action.ALLOW.value, lazy("Allow: it is published, and the match is recorded.")),
    (Action.HOLD.value, lazy("Hold: it is not published until a person has looked.")),
    (
        Action.BLOCK.value,
        lazy("Block: it is refused at once. What nobody confirmed, and no trusted bank lists, is held instead."),
    ),
)

#: Words of the room's refusals and the field each is about; the first that is found decides.
FIELD_OF = (
    ("names neither a bank nor a label", "banks"),
    ("names the unknown bank", "banks"),
    ("its effect is fixed", "banks"),
    ("malformed label", "labels"),
    ("unknown action", "action"),
    ("has a bad name", "name"),
    ("appears twice", "name"),
    ("max_distance", "max_distance"),
    ("min_confirmed_by", "min_confirmed_by"),
    ("public_text", "public_text"),
    ("has no code", "code"),
    ("has no text", "text"),
)


class BasedOn(PlainForm):
    """Which version somebody had before them, and why they change it."""

    based_on = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=2**31 - 1)
    note = forms.CharField(
        label=lazy("Why? (a note for the list of versions)"), required=False, max_length=LONGEST_NOTE
    )


class RuleForm(BasedOn):
    name = forms.CharField(
        label=lazy("Name"),
        help_text=lazy("Lower-case letters, digits, dots and hyphens. It stands in every verdict the rule speaks in."),
        max_length=63,
    )
    banks = forms.MultipleChoiceField(
        label=lazy("When a match is in one of these banks"),
        help_text=lazy("None ticked: in any bank, and then a label must be named."),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    labels = Labels(
        label=lazy("… and carries one of these labels"),
        help_text=lazy("Separate them with spaces. Empty: whatever its labels."),
        required=False,
        max_length=2_500,
    )
    max_distance = forms.IntegerField(
        label=lazy("… and lies within this many bits"),
        help_text=lazy("0 to 64; 0 is an exact match. Empty: as far as the bank reaches."),
        required=False,
        min_value=0,
        max_value=LARGEST_DISTANCE,
    )
    min_confirmed_by = forms.IntegerField(
        label=lazy("… and at least this many organisations confirmed it"),
        help_text=lazy("Yours counts as one. 0: whoever confirmed it or did not."),
        min_value=0,
        max_value=MOST_CONFIRMATIONS,
    )
    action = forms.ChoiceField(label=lazy("Then"), choices=ACTIONS, widget=forms.RadioSelect)
    code = forms.CharField(
        label=lazy("Reason code"), help_text=lazy("For programs, such as tvec."), max_length=LONGEST_CODE
    )
    text = forms.CharField(
        label=lazy("Text for the platform"),
        help_text=lazy("The reason as the verdict gives it to your moderators."),
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    public_text = forms.CharField(
        label=lazy("Text for the uploader"),
        help_text=lazy(
            "What the person who uploaded it reads: plain words, no accusation, no bank, no distance. Empty only for "
            "a rule that allows."
        ),
        required=False,
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    priority = forms.IntegerField(
        label=lazy("Priority"),
        help_text=lazy(
            "The most severe action always wins. Of several rules with that action, the one with the highest "
            "number gives the uploader's text."
        ),
        min_value=-LARGEST_PRIORITY,
        max_value=LARGEST_PRIORITY,
    )

    field_order = (
        "name",
        "banks",
        "labels",
        "max_distance",
        "min_confirmed_by",
        "action",
        "code",
        "text",
        "public_text",
        "priority",
        "note",
        "based_on",
    )

    def __init__(self, *args: Any, banks: Sequence[str], **more: Any) -> None:
        super().__init__(*args, **more)
        field = self.fields["banks"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101 - it is the one above
        field.choices = [(name, name) for name in banks]

    def rule(self) -> Rule:
        """The rule as it was filled in; only of a valid form."""
        found = self.cleaned_data
        return Rule(
            name=found["name"],
            action=Action(found["action"]),
            code=found["code"],
            text=found["text"],
            public_text=found["public_text"],
            banks=tuple(found["banks"]),
            labels=tuple(found["labels"]),
            max_distance=found["max_distance"],
            min_confirmed_by=found["min_confirmed_by"],
            priority=found["priority"],
        )

    def refuse(self, problems: Sequence[str]) -> None:
        """Put each problem beside the field it is about; those of other rules stand above all."""
        mine = f"rule {self.cleaned_data.get('name', '')!r} "
        for problem in problems:
            field = next((field for words, field in FIELD_OF if words in problem), None)
            if problem.startswith(mine) and field is not None:
                self.add_error(field, _sentence(f"it {problem.removeprefix(mine)}"))
            else:
                self.add_error(None, _sentence(problem))


def _sentence(problem: str) -> str:
    told = problem.replace("`seawall bank list` shows", _("the page Banks shows"))
    return f"{told[:1].upper()}{told[1:]}."


def filled(rule: Rule, *, based_on: int) -> dict[str, Any]:
    """What the form of this rule begins with."""
    return {
        "name": rule.name,
        "banks": list(rule.banks),
        "labels": list(rule.labels),
        "max_distance": rule.max_distance,
        "min_confirmed_by": rule.min_confirmed_by,
        "action": rule.action.value,
        "code": rule.code,
        "text": rule.text,
        "public_text": rule.public_text,
        "priority": rule.priority,
        "based_on": based_on,
    }
