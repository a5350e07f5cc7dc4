"""The forms of banks and their signals. They read and explain; what is allowed the room says (`BankError`)."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from seawall.doors.console.banks.words import ACTIONS, KINDS, refusal
from seawall.doors.console.plain_form import PlainForm
from seawall.matching.checks import LONGEST_NOTE, LONGEST_SOURCE, BankError
from seawall.matching.model import LARGEST_DISTANCE, BankKind
from seawall.matching.models import Bank
from seawall.signals.extract import SIGNAL_TYPES

#: A mute is for an emergency; what should match nothing for longer is withdrawn.
LONGEST_MUTE_DAYS = 366

#: Values that are typed or pasted; more of them are a list.
MOST_VALUES = 500
#: The longest address that can be listed, and as many of them as a form takes.
LONGEST_VALUES = 512 * 1024

#: A list is imported while its page waits: some 230 000 hashes, which take ten seconds. A proxy gives up after sixty,
#: and all the while uploads are screened more slowly; longer lists are for the command line, a process of its own.
LARGEST_LIST_BYTES = 16 * 1024 * 1024

#: Where each refusal of the room belongs.
FIELD_OF = {
    "bad_name": "name",
    "name_taken": "name",
    "bad_label": "labels",
    "no_look_label": "labels",
    "reporting_duty_missing": "reporting_duty",
    "bad_action": "default_action",
    "bad_distance": "max_distance",
    "bad_number": "confirmations_to_block",
}

TYPES = (
    ("pdq", lazy("PDQ: the hash of how a picture looks. Finds resized and recompressed copies too.")),
    ("sha256", lazy("SHA-256: the exact bytes of a file.")),
    ("md5", lazy("MD5: the exact bytes of a file, for old lists. Take SHA-256 where you can.")),
    ("url", lazy("Web address. It is put into one standard form; nothing is fetched.")),
    ("text", lazy("Text fingerprint: the SHA-256 of a normalised text, as another Seawall gives it.")),
)
WITHDRAWAL_REASONS = (
    ("not_a_match", lazy("It is not what it was listed as")),
    ("lawful", lazy("It is lawful: news, research, art, counter-speech")),
    ("withdrawn_by_source", lazy("Its source has withdrawn it")),
    ("mistake", lazy("It was listed by mistake")),
    ("other", lazy("Something else")),
)


class Labels(forms.CharField):
    """Label names, separated by spaces or commas."""

    def to_python(self, value: Any) -> Any:
        return [label for label in re.split(r"[\s,;]+", str(value or "")) if label]

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else " ".join(value or ())

    def run_validators(self, value: Any) -> None:
        super().run_validators(" ".join(value))


class RoomForm(PlainForm):
    def refuse(self, error: BankError) -> None:
        """Say beside the field it is about what the room refused."""
        field = FIELD_OF.get(error.code, "")
        self.add_error(field if field in self.fields else None, refusal(error))


def _labels(help_text: Any) -> Labels:
    return Labels(label=lazy("Labels"), help_text=help_text, required=False, max_length=2_500)


def _source(help_text: Any) -> forms.CharField:
    return forms.CharField(
        label=lazy("Where is it from?"), help_text=help_text, required=False, max_length=LONGEST_SOURCE
    )


def _duty() -> forms.CharField:
    return forms.CharField(
        label=lazy("Reporting duty"),
        help_text=lazy("Only for a no-look bank: the law or agreement, and whom you report to what it finds."),
        required=False,
        max_length=LONGEST_NOTE,
    )


class BankForm(RoomForm):
    name = forms.CharField(
        label=lazy("Name"),
        help_text=lazy("Lower-case letters, digits, dots and hyphens, such as our-list or forum-tvec."),
        max_length=63,
    )
    kind = forms.ChoiceField(
        label=lazy("What kind of bank?"),
        choices=[(kind.value, text) for kind, text in KINDS.items()],
        widget=forms.RadioSelect,
        initial=BankKind.LISTED.value,
    )
    listed_by = forms.CharField(
        label=lazy("Whose list is it?"),
        help_text=lazy("Who it comes from, as people are told. Leave it empty for a list of your own."),
        required=False,
        max_length=LONGEST_SOURCE,
    )
    default_action = forms.ChoiceField(
        label=lazy("What does a match do, where no rule of the policy names the bank?"),
        choices=[
            ("", lazy("As is customary: block for your own list, hold for a list from outside")),
            *ACTIONS.items(),
        ],
        widget=forms.RadioSelect,
        required=False,
    )
    labels = _labels(lazy("What its signals are, such as tvec. Rules can go by them; every match carries them."))
    reporting_duty = _duty()


class RulesForm(RoomForm):
    """What a match in the bank does."""

    max_distance = forms.IntegerField(
        label=lazy("Largest distance"),
        help_text=lazy(
            "In how many of its 256 bits the PDQ hash of an upload may differ from a listed one: 0 is the same hash "
            "only, 31 is customary and finds resized, recompressed and slightly altered copies, and beyond 31 more "
            "and more pictures match that are not the same. 64 is the most. Other hashes match exactly or not at all."
        ),
        min_value=0,
        max_value=LARGEST_DISTANCE,
    )
    default_action = forms.ChoiceField(
        label=lazy("What does a match do, where no rule of the policy names the bank?"),
        choices=list(ACTIONS.items()),
        widget=forms.RadioSelect,
    )
    trusted_to_block = forms.BooleanField(
        label=lazy("I trust this bank to block although nobody here confirmed its signals"),
        help_text=lazy(
            "Your decision, recorded with your name and the time. Without it, a machine alone blocks only on signals "
            "that a person here, or the number of organisations below, confirmed."
        ),
        required=False,
    )
    confirmations_to_block = forms.IntegerField(
        label=lazy("Organisations that must have confirmed a signal before it blocks by itself"),
        help_text=lazy("1 to 1000; 3 is customary. Your own confirmation is always enough."),
        min_value=1,
        max_value=1_000,
    )
    listed_by = forms.CharField(
        label=lazy("Whose list is it?"),
        help_text=lazy("Who it comes from, as people are told. Empty for a list of your own."),
        required=False,
        max_length=LONGEST_SOURCE,
    )
    labels = _labels(lazy("What its signals are, such as tvec. csam and ncii make it a no-look bank."))
    counts_as_protection = forms.BooleanField(
        label=lazy("Counts as protection"),
        help_text=lazy("Untick it for tests and training: it matches all the same, and no figure counts it."),
        required=False,
    )
    reporting_duty = _duty()

    def changes(self, bank: Bank) -> dict[str, Any]:
        """Only what differs from the bank: a trust that was recorded keeps its date."""
        return {name: value for name, value in self.cleaned_data.items() if value != getattr(bank, name)}


def rules_of(bank: Bank) -> dict[str, Any]:
    return {name: getattr(bank, name) for name in RulesForm.base_fields} | {"labels": list(bank.labels)}


class RenameForm(RoomForm):
    name = forms.CharField(
        label=lazy("New name"), help_text=lazy("Lower-case letters, digits, dots and hyphens."), max_length=63
    )


class FindForm(PlainForm):
    sought = forms.CharField(
        label=lazy("Find a signal"),
        help_text=lazy(
            "Its id (sig_…), or its exact value: a hash or a web address. It is compared exactly, and what you look "
            "for is not put on record."
        ),
        max_length=8_192,
    )


class _About(RoomForm):
    """What signals that are added together share."""

    labels = _labels(lazy("Beside those of the bank. Separate them with spaces."))
    source = _source(lazy("Who found it or told you, such as the name of an organisation. No names of people."))
    note = forms.CharField(
        label=lazy("Note for colleagues"), required=False, max_length=LONGEST_NOTE, help_text=lazy("One line.")
    )
    accept_low_quality = forms.BooleanField(
        label=lazy("List PDQ hashes of quality below 50 too"),
        help_text=lazy("They have so little detail that unlike pictures match them. They can hold, never block."),
        required=False,
    )

    def shared(self) -> dict[str, Any]:
        """What `add_signals` is told beside the signals."""
        return {name: self.cleaned_data[name] for name in ("labels", "source", "note", "accept_low_quality")}


class HashForm(_About):
    type = forms.ChoiceField(label=lazy("What is it?"), choices=TYPES, widget=forms.RadioSelect)
    values = forms.CharField(
        label=lazy("Value"),
        help_text=lazy("One on each line, up to 500."),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocapitalize": "off"}),
        max_length=LONGEST_VALUES,
    )
    quality = forms.IntegerField(
        label=lazy("Quality"),
        help_text=lazy("Only of PDQ, 0 to 100. Leave it empty if nobody told you."),
        required=False,
        min_value=0,
        max_value=100,
    )

    field_order = ("type", "values", "quality")

    def clean_values(self) -> list[str]:
        found = [line.strip() for line in self.cleaned_data["values"].splitlines() if line.strip()]
        if len(found) > MOST_VALUES:
            raise forms.ValidationError(
                _("These are {count} values. Put more than 500 into a list file and import it.").format(
                    count=len(found)
                )
            )
        return found

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("quality") is not None and found.get("type") not in {"pdq", None}:
            self.add_error("quality", _("Only PDQ has a quality. Leave it empty."))
        return found


class FileForm(_About):
    file = forms.FileField(
        label=lazy("File"),
        help_text=lazy(
            "Its hashes are listed: of a picture PDQ and SHA-256, of any other file the SHA-256. The file itself is "
            "opened only inside a closed-off process and is not kept."
        ),
    )
    exact_only = forms.BooleanField(
        label=lazy("List only its exact bytes"),
        help_text=lazy("For a picture that cannot be opened: its SHA-256 alone. Altered copies are not found then."),
        required=False,
    )

    field_order = ("file", "exact_only")


class ImportForm(RoomForm):
    file = forms.FileField(
        label=lazy("List file"),
        help_text=lazy(
            "CSV in UTF-8 whose first row names the columns (type and value; quality, labels, source, confidence and "
            "note as you like), or JSON lines."
        ),
    )
    labels = _labels(lazy("Put on every line, beside its own."))
    source = _source(lazy("Of lines that name none."))
    accept_low_quality = forms.BooleanField(
        label=lazy("List PDQ hashes of quality below 50 too"),
        help_text=lazy("They have so little detail that unlike pictures match them. They can hold, never block."),
        required=False,
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > LARGEST_LIST_BYTES:
            raise forms.ValidationError(
                _(
                    "This list has {size}. Up to {most} are imported here; import it at the machine, as shown below."
                ).format(size=filesizeformat(file.size), most=filesizeformat(LARGEST_LIST_BYTES))
            )
        return file


class MuteForm(PlainForm):
    until = forms.DateField(
        label=lazy("Until the end of this day (UTC)"),
        widget=forms.DateInput(attrs={"type": "date"}),
        input_formats=["%Y-%m-%d"],
        error_messages={"invalid": lazy("Write a date like 2026-12-01.")},
    )

    def __init__(self, *args: Any, now: datetime, **more: Any) -> None:
        super().__init__(*args, **more)
        self._now = now

    def clean_until(self) -> datetime:
        day = self.cleaned_data["until"]
        today = self._now.astimezone(UTC).date()
        if not today <= day <= today + timedelta(days=LONGEST_MUTE_DAYS):
            raise forms.ValidationError(
                _("Choose a day from today to a year from now. What should match nothing for longer is withdrawn.")
            )
        return datetime.combine(day, time(), UTC) + timedelta(days=1)


class WithdrawForm(PlainForm):
    reason = forms.ChoiceField(label=lazy("Why?"), choices=WITHDRAWAL_REASONS, widget=forms.RadioSelect)


assert {name for name, _text in TYPES} == set(SIGNAL_TYPES)  # noqa: S101 - a new type needs a sentence here
