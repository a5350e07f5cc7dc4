"""What went wrong with a decision, for the person who made it: without ids, in their language."""

from django.utils.translation import gettext as _

from seawall.screening.holds import HoldError


def told(error: HoldError) -> HoldError:
    """The same error in words for a page."""
    stands = _("The decision stands; the person concerned can appeal against it.")
    words = {
        "already_decided": (
            _("It was decided a moment ago."),
            _("Whoever decided can undo it for ten seconds; after that it stands."),
        ),
        "already_resolved": (_("It was decided already."), stands),
        "too_late": (_("This decision has taken effect: it could be undone for ten seconds."), stands),
        "not_decided": (_("Nobody has decided about this upload, so there is nothing to undo."), _("Decide below.")),
        "bad_actor": (
            _("Somebody else made this decision, and only they can undo it."),
            _("Talk to them, within the seconds there are."),
        ),
        "unknown_screening": (_("This upload is no longer on record."), _("It may have gone with its day.")),
    }.get(error.code)
    return error if words is None else HoldError(error.code, *words)
