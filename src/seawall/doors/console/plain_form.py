"""A form whose empty fields say in plain words what to do."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as lazy


class PlainForm(forms.Form):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for field in self.fields.values():
            if isinstance(field, forms.FileField):
                field.error_messages["required"] = lazy("Choose a file.")
                field.error_messages["empty"] = lazy("This file is empty. Choose another one.")
            elif isinstance(field, forms.MultipleChoiceField):
                field.error_messages["required"] = lazy("Tick at least one.")
            elif isinstance(field, forms.ChoiceField):
                field.error_messages["required"] = lazy("Choose one.")
            else:
                field.error_messages["required"] = lazy("Fill this in.")
