"""A press of the button, as a word that only the page gets which the press asked for."""

from django.core import signing

#: A page asks for its picture at once; a word that was copied somewhere is soon worth nothing. Seconds.
WORD_LASTS = 60

_SALT = "seawall.console.holds.look"


def seal(screening_id: str, number: int, *, clear: bool, by: str) -> str:
    return signing.dumps([screening_id, number, clear, by], salt=_SALT)


def pressed(word: str, screening_id: str, number: int, *, by: str) -> bool | None:
    """Whether `by` asked for this very part clear (True) or sealed (False); None where they did not ask."""
    if len(word) > 500:
        return None
    try:
        said = signing.loads(word, salt=_SALT, max_age=WORD_LASTS)
    except signing.BadSignature:
        return None
    for clear in (True, False):
        if said == [screening_id, number, clear, by]:
            return clear
    return None
