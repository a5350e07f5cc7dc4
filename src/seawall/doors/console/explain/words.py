"""Why nobody can be asked to look, for the person who wants to ask: in their language, and nothing more."""

from django.utils.translation import gettext as _

from seawall.screening.holds import HoldError
from seawall.screening.holds.asking import LONGEST_TEXT


def told(error: HoldError) -> HoldError:
    """The same error in words for the page."""
    write = _("Write to the platform where you uploaded it.")
    words = {
        "text_too_long": (
            _("Your text is longer than the {n} characters that are taken.").format(n=LONGEST_TEXT),
            _("Say it in fewer words."),
        ),
        "unknown_screening": (_("This upload is no longer on record."), write),
        "not_stopped": (_("This upload is not stopped any more."), _("There is nothing to ask about.")),
        "no_look": (_("Nobody here may look at this upload."), write),
        "already_resolved": (_("A person has looked at this upload already."), write),
        "too_late": (_("The time in which one can ask is over."), write),
        "too_many_asked": (
            _("Too many people have asked for a person to look today."),
            _("Try again tomorrow, or write to the platform where you uploaded it."),
        ),
    }.get(error.code)
    return error if words is None else HoldError(error.code, *words)
