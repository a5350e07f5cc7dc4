"""What an Idempotency-Key that was used before comes to: the earlier answer again, or a refusal."""

import hmac
from datetime import date, timedelta

import msgspec

from seawall.screening.model import Verdict
from seawall.screening.recording import Idempotency, IdempotencyConflict, Recorded, Recording

#: Yesterday and today make a key valid for 24 to 48 hours; tomorrow is there for requests that cross midnight.
NEIGHBOURS = (timedelta(0), timedelta(days=-1), timedelta(days=1))


def days_to_search(day: date) -> tuple[date, ...]:
    """The days whose keys still bind a request of `day`."""
    return tuple(day + away for away in NEIGHBOURS)


def answer_again(earlier: Verdict, recording: Recording, *, earlier_digest: bytes, digest: bytes) -> Recorded:
    """The earlier verdict, with the signals of this equal request: the stored ones have lost their private values.

    The two digests are of the earlier request and of this one, both keyed in the same way or both not.

    Raises:
        IdempotencyConflict: the earlier request was another one.
    """
    if not hmac.compare_digest(earlier_digest, digest):
        raise IdempotencyConflict(IdempotencyConflict.__doc__)
    return Recorded(verdict=msgspec.structs.replace(earlier, signals=recording.verdict.signals), replayed=True)


def name_of(idempotency: Idempotency) -> tuple[str, str]:
    """Whose key, and which: two of these are equal where the keys are the same."""
    return idempotency.api_key_id, idempotency.key
