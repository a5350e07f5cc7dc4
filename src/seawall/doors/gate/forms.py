"""The wire: what requests and answers look like, field by field. `/openapi.json` is generated from these."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from seawall.doors.gate.problems import Problem
from seawall.matching.model import LARGEST_DISTANCE
from seawall.screening.model import Context, Degradation
from seawall.signals.model import Kind

#: A post with more parts than this is several posts.
MOST_PARTS = 32
#: Signals in one request: an hour of video at one frame a second is 3 600.
MOST_SIGNALS = 10_000
#: Requests in one batch: they are judged in one go, and a caller waits for the slowest.
MOST_REQUESTS = 1_000
#: A platform's own ids; the longest in use (URNs, at:// addresses) stay under this.
LONGEST_ID = 512
#: A part's name is repeated in every signal and match of the answer.
LONGEST_PART_NAME = 128
#: Surface names have at most 63 characters; longer ones need not be looked up.
LONGEST_SURFACE = 63
#: What an uploader says for a reviewer: some paragraphs.
LONGEST_CONTEXT = 5_000
#: Types are short words; values are hashes, or addresses with at most 8 192 characters.
LONGEST_TYPE = 63
LONGEST_VALUE = 8_192

Identifier = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]


class SignalForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signal that the caller computed. `quality` (0..100) belongs to PDQ."""

    type: Annotated[str, Meta(min_length=1, max_length=LONGEST_TYPE)]
    value: Annotated[str, Meta(min_length=1, max_length=LONGEST_VALUE)]
    quality: Annotated[int, Meta(ge=0, le=100)] | None = None
    #: As /v1/hash answers it, so that its signals can be sent back as they are.
    version: Annotated[int, Meta(ge=1)] | None = None


class PartForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part of a post. Exactly one of `file` (the name of a multipart field), `text`, `url`, `signals` is given."""

    kind: Kind
    name: Annotated[str, Meta(min_length=1, max_length=LONGEST_PART_NAME)] | None = None
    file: Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)] | None = None
    text: str | None = None
    url: str | None = None
    signals: Annotated[tuple[SignalForm, ...], Meta(max_length=MOST_SIGNALS)] | None = None


Parts = Annotated[tuple[PartForm, ...], Meta(min_length=1, max_length=MOST_PARTS)]


class ScreenForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One post before publication. `uploader` is stored as a pseudonym only; `context` asks for a person to look."""

    surface: Annotated[str, Meta(min_length=1, max_length=LONGEST_SURFACE)]
    parts: Parts
    content_id: Identifier | None = None
    uploader: Identifier | None = None
    created_at: Annotated[datetime, Meta(tz=True)] | None = None
    context: Context | None = None


class BatchForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Up to 1 000 posts without files, each answered for itself."""

    requests: Annotated[tuple[ScreenForm, ...], Meta(min_length=1, max_length=MOST_REQUESTS)]


class HashForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Content whose signals are wanted."""

    parts: Parts


class LookupForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signals to look for. `max_distance` narrows what each bank allows; it never widens it."""

    signals: Annotated[tuple[SignalForm, ...], Meta(min_length=1, max_length=MOST_SIGNALS)]
    max_distance: Annotated[int, Meta(ge=0, le=LARGEST_DISTANCE)] | None = None


class RawBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A BatchForm whose requests are read one by one, so that a bad one spoils only its own answer."""

    requests: Annotated[tuple[msgspec.Raw, ...], Meta(min_length=1, max_length=MOST_REQUESTS)]


class RawLookup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A LookupForm whose signals are read one by one, for the same reason."""

    signals: Annotated[tuple[msgspec.Raw, ...], Meta(min_length=1, max_length=MOST_SIGNALS)]
    max_distance: Annotated[int, Meta(ge=0, le=LARGEST_DISTANCE)] | None = None


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one item of a batch that could not be answered."""

    error: Problem


def _one_of(*names: str) -> Meta:
    """A list of either: two untagged structs in a union, which the generator of schemas cannot say by itself."""
    return Meta(extra_json_schema={"items": {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}})


class BatchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One result for each request, in order: its verdict, or why there is none."""

    results: Annotated[list[Any], _one_of("Verdict", "Failed")]


class ListedMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A listed signal within reach. `max_distance` is how far its bank reaches."""

    type: str
    distance: int
    max_distance: int
    bank: str
    signal: str
    labels: tuple[str, ...]
    source: str
    opinion: str
    confirmed_by: int


class Matches(msgspec.Struct, frozen=True, kw_only=True):
    matches: tuple[ListedMatch, ...]


class LookupAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One result for each signal, in order."""

    results: Annotated[list[Any], _one_of("Matches", "Failed")]


class SignalFound(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    version: int
    value: str
    quality: int | None = None


class PartSignals(msgspec.Struct, frozen=True, kw_only=True):
    """The signals of one part, and what could not be looked at."""

    part: str
    signals: tuple[SignalFound, ...]
    degraded_reasons: tuple[Degradation, ...]


class HashAnswer(msgspec.Struct, frozen=True, kw_only=True):
    parts: tuple[PartSignals, ...]


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether this process can screen now. `problems` say why not; `warnings` say what an operator should see to."""

    ready: bool
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    #: Number of the gate state in use; grows with each change of banks, policy, surfaces or keys.
    state: int | None
    #: When that state was published.
    state_made_at: Annotated[datetime, Meta(tz=True)] | None
    #: Seconds since then. It is old when nothing has changed for long; that alone is no fault.
    state_age_seconds: float | None
    signals: int | None


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    alive: bool = True
