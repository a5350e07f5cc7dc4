from typing import Any

from django import forms
from django.utils.translation import gettext as _

from seawall.members.people import MAX_NAME_LENGTH, NOTIFY


class MeForm(forms.Form):
    """What a person may change of themselves without proving again who they are."""

    name = forms.CharField(max_length=MAX_NAME_LENGTH)
    notify = forms.ChoiceField(widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Your name")
        self.fields["name"].help_text = _("Your colleagues see it beside what you decide.")
        self.fields["name"].widget.attrs["autocomplete"] = "name"
        said = {
            "at_once": _("At once, but not more than one mail in a quarter of an hour"),
            "digest": _("Once a day"),
            "never": _("Never"),
        }
        field = self.fields["notify"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - two lines above
        field.label = _("Mail when uploads wait for a decision")
        field.choices = [(kind, said[kind]) for kind in NOTIFY]
