from typing import Any

from django import forms
from django.utils.html import format_html
from django.utils.translation import gettext as _

from seawall.members.people import MAX_NAME_LENGTH
from seawall.members.roles import Role

#: Roles that can be given; the owner is the owner.
GIVEN = (Role.MODERATOR, Role.READER)


def role_choices() -> list[tuple[str, str]]:
    """Each role with what it may do, for radio buttons."""
    about = {
        Role.MODERATOR: (_("Moderator"), _("sees and decides held uploads, and adds to banks")),
        Role.READER: (_("Reader"), _("sees figures, lists and the log, and changes nothing; no held content")),
    }
    return [(str(role), format_html("<strong>{}</strong>: {}", *about[role])) for role in GIVEN]


class RoleForm(forms.Form):
    role = forms.ChoiceField(widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["role"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - as declared above
        field.label = _("Role")
        field.choices = role_choices()


class NewPersonForm(RoleForm):
    name = forms.CharField(max_length=MAX_NAME_LENGTH)
    field_order = ("name", "role")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name")
        self.fields["name"].help_text = _("As colleagues know them. They can change it.")
        self.fields["name"].widget.attrs["autocomplete"] = "off"
