"""The forms of the wizard. What decides over somebody's upload has no default: the owner is asked."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError
from django.utils.html import format_html
from django.utils.translation import gettext as _

from seawall.doors.delivery.server import MAX_ADDRESS_LENGTH, MAX_HOST_LENGTH, MAX_SECRET_LENGTH, Security, is_address
from seawall.members.accounts import MAX_EMAIL_LENGTH, MAX_PLACE_LENGTH, OpenedLink
from seawall.members.models import Account
from seawall.members.people import MAX_NAME_LENGTH
from seawall.screening.model import Audience, FailMode, HoldExpiry
from seawall.screening.policies import LONGEST_HOLD_HOURS
from seawall.screening.policy import NAME

#: A sentence or two; beyond it is no password that anybody types.
MAX_PASSWORD_LENGTH = 1_024

#: Where mail servers listen, by what they speak there.
PORTS = {Security.TLS: 465, Security.STARTTLS: 587, Security.NONE: 25}


def _named(field: forms.Field, label: str, hint: str = "", **attributes: str) -> None:
    field.label, field.help_text = label, hint
    field.widget.attrs.update(attributes)


def _offer(field: forms.Field, choices: dict[Any, tuple[str, str]]) -> None:
    """Radio buttons, none of them pressed, each with what it leads to."""
    assert isinstance(field, forms.ChoiceField)  # noqa: S101 - declared below
    field.choices = [
        (str(value), format_html("<strong>{}</strong>: {}", title, leads_to))
        for value, (title, leads_to) in choices.items()
    ]


class AccountForm(forms.Form):
    """Who somebody is, and the password they will sign in with."""

    name = forms.CharField(max_length=MAX_NAME_LENGTH)
    email = forms.CharField(max_length=MAX_EMAIL_LENGTH, widget=forms.EmailInput)
    password = forms.CharField(max_length=MAX_PASSWORD_LENGTH, strip=False, widget=forms.PasswordInput)

    def __init__(self, *args: Any, link: OpenedLink, **kwargs: Any) -> None:
        # "Owner" is what we call them for want of a name; an invited person's name was given by a colleague.
        known = "" if link.is_new and link.person.is_owner else link.person.name
        kwargs["initial"] = {"name": known, "email": link.person.email}
        super().__init__(*args, **kwargs)
        self._person = link.person
        _named(self.fields["name"], _("Your name"), _("Colleagues see it beside what you decide."), autocomplete="name")
        _named(
            self.fields["email"],
            _("Your e-mail address"),
            _("You sign in with it, and mail about waiting uploads goes there."),
            autocomplete="username",
        )
        rules = " ".join(password_validators_help_texts())
        _named(
            self.fields["password"],
            _("A password"),
            _("A sentence is easy to remember and hard to guess. {rules}").format(rules=rules),
            autocomplete="new-password",
        )

    def clean_email(self) -> str:
        """One that mail can be sent to: what the room takes as an address is more than mail servers do."""
        email = str(self.cleaned_data["email"])
        if "@" in email and not is_address(email):
            raise ValidationError(
                _(
                    "No mail could be sent to this address. Use one in plain letters, such as name@example.org, and "
                    "write a domain with other letters in its xn-- form."
                )
            )
        return email

    def clean(self) -> dict[str, Any]:
        """With a password that is not made of the address or the name."""
        given = super().clean() or {}
        if "password" in given:
            self._person.name = given.get("name", self._person.name)
            account = Account(person=self._person, email=given.get("email", ""))
            try:
                validate_password(given["password"], account)
            except ValidationError as error:
                self.add_error("password", error)
        return given


class PlaceForm(forms.Form):
    name = forms.CharField(max_length=MAX_PLACE_LENGTH)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        hint = _("Such as the name of your platform. It stands at the top of every page.")
        _named(self.fields["name"], _("What do you want to protect?"), hint, autocomplete="organization")


class SurfaceForm(forms.Form):
    """The place where people publish, and three decisions about other people's uploads."""

    name = forms.CharField(max_length=100)
    audience = forms.ChoiceField(widget=forms.RadioSelect)
    fail_mode = forms.ChoiceField(widget=forms.RadioSelect)
    hold_expiry = forms.ChoiceField(widget=forms.RadioSelect)
    hold_hours = forms.IntegerField(min_value=1, max_value=LONGEST_HOLD_HOURS, initial=24)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _named(
            self.fields["name"],
            _("Name of the place where people publish"),
            _("Lower-case letters, digits, hyphens: such as posts or profile-pictures. Your program sends it along."),
            autocomplete="off",
            autocapitalize="none",
            spellcheck="false",
        )
        _named(self.fields["audience"], _("Who can see what is published there?"))
        _named(self.fields["fail_mode"], _("What happens to an upload that could not be checked?"))
        _named(self.fields["hold_expiry"], _("What happens to a held upload that nobody looked at in time?"))
        _named(self.fields["hold_hours"], _("How many hours do you have to look?"))
        self._offer_choices()

    def _offer_choices(self) -> None:
        _offer(
            self.fields["audience"],
            {
                Audience.PUBLIC: (_("Everybody"), _("it is screened before it is published.")),
                Audience.GROUP: (_("Members of a group"), _("it is screened before the group sees it.")),
                Audience.PRIVATE: (_("One person, in private"), _("not screened; choose it and we say why.")),
            },
        )
        _offer(
            self.fields["fail_mode"],
            {
                FailMode.OPEN: (_("Publish it"), _("nobody waits, and something listed may slip through.")),
                FailMode.HOLD: (_("Hold it"), _("it waits for you; when something breaks, much may wait.")),
                FailMode.CLOSED: (_("Refuse it"), _("nothing slips through, and innocent uploads are refused too.")),
            },
        )
        _offer(
            self.fields["hold_expiry"],
            {
                HoldExpiry.RELEASE: (_("Publish it"), _("a wrong suspicion costs the person some hours at most.")),
                HoldExpiry.REFUSE: (
                    _("Refuse it"),
                    _("nothing listed appears while you sleep; the person can appeal."),
                ),
            },
        )

    def clean_name(self) -> str:
        """In the form that programs send; what people write in its place is put right where that is clear."""
        name = "-".join(str(self.cleaned_data["name"]).lower().split())
        if not NAME.fullmatch(name):
            raise ValidationError(_("Use lower-case letters, digits, dots and hyphens, such as posts."))
        return name

    def clean_audience(self) -> Audience:
        """Private communication is refused here, with the reason."""
        audience = Audience(self.cleaned_data["audience"])
        if audience is Audience.PRIVATE:
            raise ValidationError(
                _(
                    "Private communication is not screened without a legal basis: in the EU its confidentiality "
                    "forbids that (Directive 2002/58/EC, Article 5). Leave private messages alone. If you have a legal "
                    "basis, record it later on the page Surfaces."
                )
            )
        return audience


class MailForm(forms.Form):
    """The mail server that takes our mail."""

    host = forms.CharField(max_length=MAX_HOST_LENGTH)
    security = forms.ChoiceField(widget=forms.RadioSelect, initial=Security.TLS)
    port = forms.IntegerField(min_value=1, max_value=65535, required=False)
    sender = forms.CharField(max_length=MAX_ADDRESS_LENGTH)
    username = forms.CharField(max_length=MAX_SECRET_LENGTH, required=False)
    password = forms.CharField(max_length=MAX_SECRET_LENGTH, required=False, strip=False, widget=forms.PasswordInput)

    def __init__(self, *args: Any, has_password: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        hint = _("Your mail provider calls it SMTP or outgoing mail, such as smtp.example.org.")
        _named(self.fields["host"], _("Mail server"), hint, **plain)
        _named(self.fields["security"], _("Encryption"))
        _offer(
            self.fields["security"],
            {
                Security.TLS: (_("TLS"), _("usual, port 465.")),
                Security.STARTTLS: (_("STARTTLS"), _("also usual, port 587.")),
                Security.NONE: (_("None"), _("only for a server on this very machine, port 25.")),
            },
        )
        _named(self.fields["port"], _("Port (if your provider names another one)"))
        hint = _("One that this server may send from, such as seawall@example.org.")
        _named(self.fields["sender"], _("Sender address"), hint, **plain)
        _named(self.fields["username"], _("User name (if the server asks for one)"), **plain)
        kept = _("Leave it empty to keep the one that is saved.") if has_password else ""
        _named(self.fields["password"], _("Password for the mail server"), kept, autocomplete="off")
