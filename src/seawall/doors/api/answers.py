"""What this door answers, field by field."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from seawall.screening.model import Verdict


class HoldNow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a hold. `outcome` is what finally holds for the content: an expired hold was released or refused
    as its surface declares.
    """

    state: Literal["waiting", "released", "refused", "expired"]
    resolved_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    outcome: Literal["released", "refused"] | None = None


class ScreeningNow(msgspec.Struct, frozen=True, kw_only=True):
    """A past verdict, with null for values that were kept only as keyed hashes, and the present state of its hold."""

    verdict: Verdict
    hold: HoldNow | None
