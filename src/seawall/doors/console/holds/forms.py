"""The decision about a hold."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from seawall.screening.holds import HoldOutcome

#: A note is for the colleague who reads it next year, not an essay.
LONGEST_NOTE = 1_000


def refuse_reasons() -> dict[str, str]:
    """Why something is refused: code and words."""
    return {
        "terrorist_content": _("It is terrorist content, and no context makes it something else"),
        "glorifies": _("It praises an attack or its perpetrators"),
        "recruits": _("It recruits, or asks for money or support"),
        "instructs": _("It explains how to carry out an attack"),
        "other_rule": _("It breaks another rule of the platform"),
    }


def release_reasons() -> dict[str, str]:
    """Why something is released: code and words."""
    return {
        "no_match": _("It is not what was listed"),
        "journalism": _("It is journalism or reports on events"),
        "research": _("It is research, education or an archive"),
        "counter_speech": _("It speaks against it"),
        "art": _("It is art or satire"),
        "allowed_here": _("It is allowed on the platform"),
    }


def in_words(reason: str) -> str:
    """A reason as it was kept, `code` or `code: note`, for people; anything else, from the command line, as it is."""
    code, colon, note = reason.partition(": ")
    words = {**refuse_reasons(), **release_reasons()}.get(code)
    return reason if words is None else f"{words}{colon}{note}"


class PlainText(forms.CharField):
    """A browser sends line ends as two characters, and counts them as one."""

    def to_python(self, value: Any) -> str | None:
        return super().to_python(value.replace("\r\n", "\n") if isinstance(value, str) else value)


class DecisionForm(forms.Form):
    """`choice` is release:<code> or refuse:<code>, so that a decision without a reason cannot be made."""

    choice = forms.CharField(
        max_length=60,
        error_messages={"required": lazy("Choose what happens to the upload, and why.")},
    )
    note = PlainText(max_length=LONGEST_NOTE, required=False)

    def clean_choice(self) -> str:
        choice = str(self.cleaned_data["choice"])
        outcome, _colon, code = choice.partition(":")
        known = {"release": release_reasons(), "refuse": refuse_reasons()}.get(outcome, {})
        if code not in known:
            raise forms.ValidationError(_("Choose what happens to the upload, and why."))
        return choice

    @property
    def release_code(self) -> str:
        """What was chosen before, where the page comes back."""
        return str(self["choice"].value() or "").removeprefix("release:")

    @property
    def refuse_code(self) -> str:
        return str(self["choice"].value() or "").removeprefix("refuse:")

    @property
    def outcome(self) -> HoldOutcome:
        released = str(self.cleaned_data["choice"]).startswith("release:")
        return HoldOutcome.RELEASED if released else HoldOutcome.REFUSED

    @property
    def reason(self) -> str:
        """The code, with the note after it where there is one; only a bare code goes into the log."""
        code = str(self.cleaned_data["choice"]).partition(":")[2]
        note = str(self.cleaned_data["note"]).strip()
        return f"{code}: {note}" if note else code
