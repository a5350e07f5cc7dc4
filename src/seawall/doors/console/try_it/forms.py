"""What is to be tried."""

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from seawall.matching.testcard import PICTURE_NAME, picture
from seawall.signals.extract import kind_of
from seawall.signals.model import Kind, Part

#: A long article; an upload of more is tried as a file.
LONGEST_TEXT = 200_000
LONGEST_ADDRESS = 8_000


class TrialForm(forms.Form):
    """A file, a text or an address, or all of them together as one post."""

    surface = forms.CharField(max_length=63)
    file = forms.FileField(required=False, allow_empty_file=True)
    text = forms.CharField(max_length=LONGEST_TEXT, required=False, strip=False)
    address = forms.CharField(max_length=LONGEST_ADDRESS, required=False)
    card = forms.BooleanField(required=False)

    def clean(self) -> None:
        super().clean()
        if not self.errors and not self.parts():
            raise forms.ValidationError(_("Choose a file, or write a text or an address."))

    def parts(self) -> tuple[Part, ...]:
        """What was given, named as a person would."""
        given = self.cleaned_data
        found = []
        if given.get("card"):
            found.append(Part(name=PICTURE_NAME, kind=Kind.IMAGE, data=picture()))
        if isinstance(given.get("file"), UploadedFile):
            data = given["file"].read()
            given["file"].seek(0)
            found.append(Part(name=_("file"), kind=kind_of(data), data=data))
        if given.get("text", "").strip():
            found.append(Part(name=_("text"), kind=Kind.TEXT, text=given["text"]))
        if given.get("address"):
            found.append(Part(name=_("address"), kind=Kind.URL, url=given["address"]))
        return tuple(found)
