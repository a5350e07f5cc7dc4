"""The form of a surface. Each choice says what follows from it, and a new surface has no choice made for it."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from seawall.doors.console.plain_form import PlainForm
from seawall.screening.model import Audience, FailMode, HoldExpiry, Surface
from seawall.screening.policies import LONGEST_APPEAL_DAYS, LONGEST_HOLD_HOURS
from seawall.screening.policy import NAME

#: The law or agreement in a sentence or two; a legal opinion is kept elsewhere.
LONGEST_BASIS = 2_000

AUDIENCES = (
    (Audience.PUBLIC, lazy("Public: anybody can read it. It is screened.")),
    (Audience.GROUP, lazy("Group: the members of a group can read it. It is screened.")),
    (
        Audience.PRIVATE,
        lazy("Private: a message between people. Screening it is refused unless you write down the legal basis below."),
    ),
)
FAIL_MODES = (
    (FailMode.OPEN, lazy("Publish it: nothing waits, and something listed may slip through while screening is down.")),
    (FailMode.HOLD, lazy("Hold it: nothing is published unscreened, and a person has to look at each.")),
    (FailMode.CLOSED, lazy("Refuse it: nothing is published unscreened, and people have to upload it again later.")),
)
EXPIRIES = (
    (HoldExpiry.RELEASE, lazy("Release it: nobody waits for ever, and something listed may be published unseen.")),
    (HoldExpiry.REFUSE, lazy("Refuse it: nothing held is published unseen, and some of it will have been harmless.")),
)
STORING = (
    (
        "yes",
        lazy(
            "Keep them for some days: signals and times, no content and no names. A signal that is listed later can "
            "then be found in what is already published."
        ),
    ),
    ("no", lazy("Keep nothing: what matched nothing leaves only a count. Nothing published can be found again later.")),
)


def words(choices: Any, value: str) -> str:
    """What a choice means, as its form says it."""
    return str(dict(choices)[value])


class SurfaceForm(PlainForm):
    name = forms.CharField(
        label=lazy("Name"),
        help_text=lazy(
            "Programs send it with every upload: lower-case letters, digits, dots and hyphens, such as posts or "
            "profile-pictures. It cannot be changed later."
        ),
        max_length=63,
    )
    audience = forms.ChoiceField(
        label=lazy("Who can read what is published there?"), choices=AUDIENCES, widget=forms.RadioSelect
    )
    fail_mode = forms.ChoiceField(
        label=lazy("What happens to an upload that could not be screened?"),
        help_text=lazy("A picture that cannot be opened, a decoder that is too slow, a full disk."),
        choices=FAIL_MODES,
        widget=forms.RadioSelect,
    )
    hold_hours = forms.IntegerField(
        label=lazy("How many hours does a person have to look at a held upload?"),
        help_text=lazy("1 to 720. Until then it is not published. Think of nights and holidays."),
        min_value=1,
        max_value=LONGEST_HOLD_HOURS,
    )
    hold_expiry = forms.ChoiceField(
        label=lazy("And when nobody has looked by then?"), choices=EXPIRIES, widget=forms.RadioSelect
    )
    appeal_days = forms.IntegerField(
        label=lazy("For how many days may people appeal?"),
        help_text=lazy(
            "183 days are six months. As long as that, the bytes of a refused upload are kept, encrypted, so that a "
            "person can look again."
        ),
        min_value=1,
        max_value=LONGEST_APPEAL_DAYS,
    )
    store_unmatched = forms.ChoiceField(
        label=lazy("Screenings that matched nothing"), choices=STORING, widget=forms.RadioSelect
    )
    private_basis = forms.CharField(
        label=lazy("Legal basis for screening private messages"),
        help_text=lazy(
            "Only for a private surface. In the EU the confidentiality of communications forbids it without one "
            "(Directive 2002/58/EC, Article 5). An example: the recipient reports the message."
        ),
        max_length=LONGEST_BASIS,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, fixed_name: str = "", **more: Any) -> None:
        super().__init__(*args, **more)
        self._fixed_name = fixed_name
        if fixed_name:
            del self.fields["name"]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not NAME.fullmatch(name):
            raise forms.ValidationError(
                _("Use lower-case letters, digits, dots and hyphens, beginning with a letter or digit.")
            )
        return name

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("audience") == Audience.PRIVATE and not found.get("private_basis", "").strip():
            self.add_error(
                "private_basis",
                _("Private messages are not screened without a legal basis. Write it down, or leave them alone."),
            )
        return found

    def surface(self) -> Surface:
        """The surface as it was filled in; only of a valid form."""
        found = self.cleaned_data
        private = found["audience"] == Audience.PRIVATE
        return Surface(
            name=self._fixed_name or found["name"],
            audience=Audience(found["audience"]),
            fail_mode=FailMode(found["fail_mode"]),
            hold_expiry=HoldExpiry(found["hold_expiry"]),
            hold_hours=found["hold_hours"],
            appeal_days=found["appeal_days"],
            store_unmatched=found["store_unmatched"] == "yes",
            private_basis=found["private_basis"].strip() if private else "",
        )


def filled(one: Surface) -> dict[str, Any]:
    """What the form of this surface begins with."""
    return {
        "audience": one.audience.value,
        "fail_mode": one.fail_mode.value,
        "hold_hours": one.hold_hours,
        "hold_expiry": one.hold_expiry.value,
        "appeal_days": one.appeal_days,
        "store_unmatched": "yes" if one.store_unmatched else "no",
        "private_basis": one.private_basis,
    }
