"""allauth's forms where ours differ: the words, and what a hostile answer of a passkey may do."""

import hashlib
from typing import Any

from allauth.account.forms import LoginForm as DefaultLoginForm
from allauth.account.forms import ReauthenticateForm as DefaultReauthenticateForm
from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm as DefaultAuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as DefaultCodeAgainForm
from allauth.mfa.base.internal.flows import check_rate_limit
from allauth.mfa.totp.forms import ActivateTOTPForm as DefaultActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm as DefaultAddWebAuthnForm
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm as DefaultAuthenticateWebAuthnForm
from allauth.mfa.webauthn.forms import EditWebAuthnForm as DefaultEditWebAuthnForm
from allauth.mfa.webauthn.forms import LoginWebAuthnForm as DefaultLoginWebAuthnForm
from allauth.mfa.webauthn.forms import ReauthenticateWebAuthnForm as DefaultReauthenticateWebAuthnForm
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.forms import CharField, HiddenInput, JSONField
from django.forms.fields import InvalidJSONInput
from django.utils.translation import gettext as _

from seawall.members.models import Account

#: Longer than any code is valid.
CODE_KEPT_SECONDS = 3 * 60

#: What people call a passkey; it is shown in a list.
MAX_PASSKEY_NAME = 80


class LoginForm(DefaultLoginForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("E-mail address")
        self.fields["password"].label = _("Password")
        # The link to a new password stands below the form, not inside a hint.
        self.fields["password"].help_text = ""
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)


class ReauthenticateForm(DefaultReauthenticateForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].label = _("Password")
        self.fields["password"].help_text = ""
        self.fields["password"].widget.attrs.pop("placeholder", None)


def _prepare_code(field: Any, *, hint: str = "") -> None:
    field.label = _("Code")
    field.help_text = hint
    field.widget.attrs.pop("placeholder", None)
    field.widget.attrs.update({"inputmode": "numeric", "autocapitalize": "none", "spellcheck": "false"})


class CodeOnce:
    """allauth remembers a code for half a minute; with a clock that may be half a minute off it would open twice."""

    user: Account

    def clean_code(self) -> str:
        """The code, if it was not used before."""
        # What was typed is a stranger's text, of any length and with anything in it.
        typed = normalize_user_code(self.cleaned_data["code"])  # type: ignore[attr-defined]
        digest = hashlib.sha256(typed.encode("utf-8", "replace")).hexdigest()
        place = f"seawall:code-used:{self.user.pk}:{digest}"
        if cache.get(place):
            check_rate_limit(self.user)
            raise get_adapter().validation_error("incorrect_code")
        code: str = super().clean_code()  # type: ignore[misc]
        if not cache.add(place, "used", CODE_KEPT_SECONDS):
            raise get_adapter().validation_error("incorrect_code")
        return code


class AuthenticateForm(CodeOnce, DefaultAuthenticateForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _prepare_code(self.fields["code"], hint=_("From your authenticator app, or one of your recovery codes."))


class CodeAgainForm(CodeOnce, DefaultCodeAgainForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _prepare_code(self.fields["code"], hint=_("From your authenticator app, or one of your recovery codes."))


class ActivateTOTPForm(DefaultActivateTOTPForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _prepare_code(self.fields["code"], hint=_("The six digits that the app shows now."))


def _refused() -> ValidationError:
    return ValidationError(_("This passkey was not accepted. Nothing was changed; try again."))


class CredentialField(JSONField):
    """What a browser answers for a passkey. JSON that is nested without end is refused like any other that is none."""

    def to_python(self, value: Any) -> Any:
        """The JSON value."""
        try:
            return super().to_python(value)
        except RecursionError as error:
            raise _refused() from error

    def bound_data(self, data: Any, initial: Any) -> Any:  # noqa: ARG002 - Django's signature
        """Nothing: a page that is shown again asks the passkey again."""
        return InvalidJSONInput("")


class CarefulCredential:
    """What a browser sends for a passkey is parsed by a library that was not written for lies: all it can break is
    this form.
    """

    def clean_credential(self) -> Any:
        """The authenticator that answered."""
        try:
            return super().clean_credential()  # type: ignore[misc]
        except ValidationError:
            raise
        except Exception as error:
            raise _refused() from error


class AuthenticateWebAuthnForm(CarefulCredential, DefaultAuthenticateWebAuthnForm):  # type: ignore[misc]
    credential = CredentialField(widget=HiddenInput)


class LoginWebAuthnForm(CarefulCredential, DefaultLoginWebAuthnForm):  # type: ignore[misc]
    credential = CredentialField(widget=HiddenInput)


class ReauthenticateWebAuthnForm(CarefulCredential, DefaultReauthenticateWebAuthnForm):  # type: ignore[misc]
    credential = CredentialField(widget=HiddenInput)


class AddWebAuthnForm(DefaultAddWebAuthnForm):  # type: ignore[misc]
    """A key of whatever kind; one that knows its person (by a PIN or a finger) opens without a password."""

    name = CharField(required=False, max_length=MAX_PASSKEY_NAME)
    credential = CredentialField(widget=HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("What do you call it?")
        self.fields["name"].help_text = _("Such as the device it is on.")
        self.fields["passwordless"].label = _("Sign in with it alone")
        self.fields["passwordless"].help_text = _(
            "Without a password: the device asks for a PIN, a finger or a face instead. Otherwise it is asked for "
            "after the password."
        )
        self.fields["passwordless"].initial = True

    def clean(self) -> dict[str, Any]:
        """The new credential, checked against what we asked for."""
        try:
            return dict(super().clean())
        except ValidationError:
            raise
        except Exception as error:
            raise _refused() from error


class EditWebAuthnForm(DefaultEditWebAuthnForm):  # type: ignore[misc]
    name = CharField(required=True, max_length=MAX_PASSKEY_NAME)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("What do you call it?")
