"""The forms of the keys."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from seawall.doors.console.plain_form import PlainForm
from seawall.members.keys import MAX_NAME_LENGTH
from seawall.members.scopes import Scope

#: A key that lives longer has no expiry.
LONGEST_DAYS = 3_650

#: The scopes that some address asks for today. The others are offered when one does.
SCOPES = (
    (Scope.SCREEN, lazy("screen: send uploads and get verdicts. What a platform needs.")),
    (Scope.LOOKUP, lazy("lookup: ask whether a hash is listed. No verdict, and nothing is recorded.")),
    (Scope.HASH, lazy("hash: get the hashes of a file. Nothing is compared, and nothing is recorded.")),
    (Scope.READ, lazy("read: see what became of past screenings, by their ids.")),
)
REACHES = (
    ("all", lazy("Every surface, those added later too")),
    ("some", lazy("Only these:")),
)
REASONS = (
    ("leaked", lazy("Somebody else may have seen it")),
    ("replaced", lazy("Another key took its place")),
    ("unused", lazy("Nobody uses it any more")),
    ("mistake", lazy("It was made by mistake")),
    ("other", lazy("Something else")),
)


class KeyForm(PlainForm):
    name = forms.CharField(
        label=lazy("Name"),
        help_text=lazy("Which program will use it, so that you know later which one to end. Such as: web shop."),
        max_length=MAX_NAME_LENGTH,
    )
    scopes = forms.MultipleChoiceField(
        label=lazy("What may it do?"),
        help_text=lazy("As little as will do: whoever steals it can do the same."),
        choices=SCOPES,
        widget=forms.CheckboxSelectMultiple,
    )
    reach = forms.ChoiceField(label=lazy("For which surfaces?"), choices=REACHES, widget=forms.RadioSelect)
    surfaces = forms.MultipleChoiceField(label=lazy("Surfaces"), required=False, widget=forms.CheckboxSelectMultiple)
    days = forms.IntegerField(
        label=lazy("For how many days?"),
        help_text=lazy("1 to 3650. Leave it empty for a key that does not expire; you can revoke it at any time."),
        min_value=1,
        max_value=LONGEST_DAYS,
        required=False,
    )

    def __init__(self, *args: Any, surfaces: Sequence[str], **more: Any) -> None:
        super().__init__(*args, **more)
        field = self.fields["surfaces"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101 - it is the one above
        field.choices = [(name, name) for name in surfaces]
        if not surfaces:
            field.help_text = _("There is none yet.")

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("reach") == "some" and not found.get("surfaces") and "surfaces" not in self.errors:
            self.add_error("surfaces", _("Tick at least one, or choose every surface above."))
        if found.get("reach") == "all" and found.get("surfaces"):
            self.add_error("reach", _("You ticked single surfaces: choose “only these”, or untick them."))
        return found

    def chosen_surfaces(self) -> list[str] | None:
        """None means every surface."""
        return list(self.cleaned_data["surfaces"]) if self.cleaned_data["reach"] == "some" else None


class RevokeForm(PlainForm):
    reason = forms.ChoiceField(label=lazy("Why?"), choices=REASONS, widget=forms.RadioSelect)
