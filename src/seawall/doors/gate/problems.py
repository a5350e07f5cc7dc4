"""Every error this API can answer, in one table (RFC 9457), each with the next step for the person who reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from seawall.members.keys import (
    KeyExpired,
    KeyMalformed,
    KeyMissing,
    KeyRefused,
    KeyRevoked,
    KeyUnknown,
    WrongScope,
    WrongSurface,
)

PROBLEM_TYPE = b"application/problem+json"

#: A queue of decoders empties in about this many seconds.
RETRY_SOON = 1
#: A full disk or a stopped database takes a person longer than that.
RETRY_LATER = 5

#: A caller mends a request step by step; nobody reads more than this many errors at once.
MOST_ERRORS = 50


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the request (a JSON pointer, RFC 6901) and what is wrong there."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, for programs (`code`) and for people (`detail`, `next_step`)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    next_step: str
    errors: tuple[FieldError, ...] = ()
    #: Only with `internal_error`: the number under which the server's log has more.
    error_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemKind:
    """One row of the table. `retry_after` (seconds) says that the same request may succeed later."""

    code: str
    status: int
    title: str
    next_step: str
    retry_after: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One HTTP answer, ready to send."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Refused(Exception):
    """The request gets this problem as its answer."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Sequence[tuple[bytes, bytes]] = (),
        error_id: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors[:MOST_ERRORS])
        self.headers = tuple(headers)
        self.error_id = error_id

    def within(self, pointer: str) -> "Refused":
        """The same problem of one item of a batch: its pointers start at the whole request."""
        moved = [FieldError(pointer=pointer + one.pointer, detail=one.detail) for one in self.errors]
        return Refused(self.code, self.detail, errors=moved, headers=self.headers)

    def problem(self) -> Problem:
        kind = PROBLEMS[self.code]
        return Problem(
            type=f"/docs#{self.code}",
            title=kind.title,
            status=kind.status,
            detail=self.detail,
            code=self.code,
            next_step=kind.next_step,
            errors=self.errors,
            error_id=self.error_id,
        )


def problem_answer(refused: Refused) -> Answer:
    """The refusal as an HTTP answer, with the headers that belong to its status."""
    kind = PROBLEMS[refused.code]
    headers = list(refused.headers)
    if kind.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="seawall"'))
    if kind.retry_after is not None:
        headers.append((b"retry-after", str(kind.retry_after).encode()))
    return Answer(
        status=kind.status,
        body=msgspec.json.encode(refused.problem()),
        content_type=PROBLEM_TYPE,
        headers=tuple(headers),
    )


def key_refused(refusal: KeyRefused) -> Refused:
    return Refused(refusal.code, refusal.text)


def _of_key(refusal: type[KeyRefused], status: int, title: str) -> ProblemKind:
    return ProblemKind(code=refusal.code, status=status, title=title, next_step=refusal.next_step)


_TABLE = (
    ProblemKind(
        code="bad_json",
        status=400,
        title="Not valid JSON",
        next_step="Send one JSON object in UTF-8, and check that it arrives whole.",
    ),
    ProblemKind(
        code="bad_multipart",
        status=400,
        title="Not a readable multipart body",
        next_step="Let your HTTP library build the form; set neither its boundary nor its Content-Type yourself.",
    ),
    ProblemKind(
        code="bad_idempotency_key",
        status=400,
        title="Unusable Idempotency-Key",
        next_step="Send the header once, with 1 to 255 visible ASCII characters; a UUID is a good choice.",
    ),
    _of_key(KeyMissing, 401, "No API key"),
    _of_key(KeyMalformed, 401, "Malformed API key"),
    _of_key(KeyUnknown, 401, "Unknown API key"),
    _of_key(KeyExpired, 401, "Expired API key"),
    _of_key(KeyRevoked, 401, "Revoked API key"),
    _of_key(WrongScope, 403, "The API key lacks the scope"),
    _of_key(WrongSurface, 403, "The API key is limited to other surfaces"),
    ProblemKind(
        code="private_communication",
        status=403,
        title="Private communication is not screened",
        next_step=(
            "Do not send private messages here. Where the law gives you a basis, have your lawyer name it and record "
            "it on the surface."
        ),
    ),
    ProblemKind(
        code="not_found",
        status=404,
        title="Nothing at this address",
        next_step="See /docs for the addresses there are.",
    ),
    ProblemKind(
        code="unknown_screening",
        status=404,
        title="No such screening",
        next_step=(
            "Copy the id from the verdict whole. Screenings are kept for a limited time, and a key sees only its "
            "surfaces."
        ),
    ),
    ProblemKind(
        code="method_not_allowed",
        status=405,
        title="Wrong method for this address",
        next_step="Use a method named in the Allow header.",
    ),
    ProblemKind(
        code="body_too_slow",
        status=408,
        title="The body took too long to arrive",
        next_step="Send the request again over a faster connection, or send signals instead of the file.",
    ),
    ProblemKind(
        code="idempotency_conflict",
        status=409,
        title="This Idempotency-Key was used for another request",
        next_step="Use a new key for a new request; repeat an old key only with exactly the same request.",
    ),
    ProblemKind(
        code="body_too_large",
        status=413,
        title="The body is too large",
        next_step=(
            "Send a smaller file, or compute its signals yourself and send those; the limit for whole bodies is the "
            "setting max_body_bytes."
        ),
    ),
    ProblemKind(
        code="unsupported_media_type",
        status=415,
        title="Unsupported content type",
        next_step="Send application/json, or multipart/form-data with a JSON field `request` where files are sent.",
    ),
    ProblemKind(
        code="invalid_request",
        status=422,
        title="The request has not the right form",
        next_step="Mend what `errors` points at; /docs shows the form.",
    ),
    ProblemKind(
        code="bad_signal",
        status=422,
        title="A signal has not its type's form",
        next_step="Mend the signals that `errors` points at; check that each value was copied whole.",
    ),
    ProblemKind(
        code="empty_part",
        status=422,
        title="A part is empty",
        next_step="Leave out parts that have nothing in them; check that the file was read before it was sent.",
    ),
    ProblemKind(
        code="missing_file",
        status=422,
        title="A part names a file that was not sent",
        next_step="Send a multipart file field with that name, or give the part a text, a url or signals.",
    ),
    ProblemKind(
        code="unused_file",
        status=422,
        title="A file was sent that no part names",
        next_step="Name the file's field in a part's `file`, or do not send the file: what is sent is screened.",
    ),
    ProblemKind(
        code="unknown_surface",
        status=422,
        title="Unknown surface",
        next_step="Use a surface that `seawall surface list` shows, or add one there.",
    ),
    ProblemKind(
        code="no_look",
        status=422,
        title="Listed in a bank that nobody may look into",
        next_step="Do not publish. Send the content to /v1/screen, which refuses it and records that.",
    ),
    ProblemKind(
        code="too_many_matches",
        status=422,
        title="More matches than one answer holds",
        next_step="Do not publish. Send fewer signals at once: each of them is like very many listed ones.",
    ),
    ProblemKind(
        code="busy",
        status=429,
        title="Too many requests are waiting",
        next_step="Send it again after Retry-After; until there is an answer your own mode applies, by default hold.",
        retry_after=RETRY_SOON,
    ),
    ProblemKind(
        code="internal_error",
        status=500,
        title="Something went wrong inside",
        next_step="Treat the content by your own mode, by default hold. Tell whoever runs this server the error_id.",
    ),
    ProblemKind(
        code="ledger_unavailable",
        status=503,
        title="The verdict could not be recorded, so there is none",
        next_step="Treat the content by your own mode, by default hold, and try again; the operator sees to the disk.",
        retry_after=RETRY_LATER,
    ),
    ProblemKind(
        code="not_ready",
        status=503,
        title="Not ready to screen",
        next_step="Wait as long as Retry-After says and send it again; /readyz says what is missing.",
        retry_after=RETRY_SOON,
    ),
)

#: Every problem by its code.
PROBLEMS: Mapping[str, ProblemKind] = MappingProxyType({kind.code: kind for kind in _TABLE})
