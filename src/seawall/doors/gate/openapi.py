"""The OpenAPI 3.1 document, generated from the structs that the gate itself reads and writes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from seawall.doors.gate.forms import (
    Alive,
    BatchAnswer,
    BatchForm,
    Failed,
    HashAnswer,
    HashForm,
    LookupAnswer,
    LookupForm,
    Matches,
    Readiness,
    ScreenForm,
)
from seawall.doors.gate.problems import PROBLEMS, Problem, ProblemKind
from seawall.members.scopes import Scope
from seawall.screening.model import Verdict

_DESIGN = re.compile(r" \(DESIGN §\d+\)")

OPENAPI_VERSION = "3.1.0"
API_VERSION = "1"

KEY_CODES = ("key_missing", "key_malformed", "key_unknown", "key_expired", "key_revoked", "wrong_scope")
JSON_CODES = ("bad_json", "invalid_request", "body_too_large", "body_too_slow", "unsupported_media_type")
PART_CODES = ("bad_multipart", "bad_signal", "empty_part", "missing_file", "unused_file")
SURFACE_CODES = ("unknown_surface", "wrong_surface", "private_communication")
MATCH_CODES = ("too_many_matches",)
RECORD_CODES = ("bad_idempotency_key", "idempotency_conflict", "ledger_unavailable")
BUSY_CODES = ("busy", "not_ready", "internal_error")

EXAMPLE_PDQ = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"
EXAMPLE_SCREEN = {
    "surface": "posts",
    "content_id": "post-1",
    "uploader": "user-17",
    "parts": [{"kind": "image", "signals": [{"type": "pdq", "value": EXAMPLE_PDQ, "quality": 100}]}],
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One address and what it takes and gives. `example` is a request body; `path_parameters` name → meaning."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    answer: type
    answer_means: str
    codes: tuple[str, ...]
    scope: Scope | None = None
    form: type | None = None
    multipart: bool = False
    idempotent: bool = False
    example: dict[str, Any] | None = None
    path_parameters: dict[str, str] = field(default_factory=dict)


GATE_OPERATIONS = (
    Operation(
        id="screen",
        method="post",
        path="/v1/screen",
        summary="Screen one post before publication",
        description=(
            "Send the post's parts together: files, texts, addresses, or signals that you computed yourself so that "
            "the content need not leave your house. Publish on `allow`, do not publish on `block`, and on `hold` wait "
            "until a person has looked. No answer means that your own mode applies, by default hold."
        ),
        form=ScreenForm,
        multipart=True,
        idempotent=True,
        scope=Scope.SCREEN,
        answer=Verdict,
        answer_means="The verdict. It is durable before you get it.",
        codes=(*KEY_CODES, *JSON_CODES, *PART_CODES, *SURFACE_CODES, *MATCH_CODES, *RECORD_CODES, *BUSY_CODES),
        example=EXAMPLE_SCREEN,
    ),
    Operation(
        id="screen_batch",
        method="post",
        path="/v1/screen/batch",
        summary="Screen many posts without files",
        description="Up to 1 000 requests of the same form, JSON only. Each is judged and recorded for itself.",
        form=BatchForm,
        idempotent=True,
        scope=Scope.SCREEN,
        answer=BatchAnswer,
        answer_means="One result for each request, in order: its verdict, or the problem that it has.",
        codes=(*KEY_CODES, *JSON_CODES, "bad_idempotency_key", *BUSY_CODES),
        example={"requests": [EXAMPLE_SCREEN]},
    ),
    Operation(
        id="lookup",
        method="post",
        path="/v1/lookup",
        summary="Ask which listed signals match",
        description="Matches without a verdict: no policy speaks and nothing is recorded. Up to 10 000 signals.",
        form=LookupForm,
        scope=Scope.LOOKUP,
        answer=LookupAnswer,
        answer_means="One result for each signal, in order: its matches, nearest first, or the problem that it has.",
        codes=(*KEY_CODES, *JSON_CODES, *MATCH_CODES, *BUSY_CODES),
        example={"signals": [{"type": "pdq", "value": EXAMPLE_PDQ}], "max_distance": 31},
    ),
    Operation(
        id="hash",
        method="post",
        path="/v1/hash",
        summary="Get the signals of content",
        description="The signals of each part, without a search. Nothing is recorded or kept.",
        form=HashForm,
        multipart=True,
        scope=Scope.HASH,
        answer=HashAnswer,
        answer_means="The signals of each part, and what could not be looked at.",
        codes=(*KEY_CODES, *JSON_CODES, *PART_CODES, *BUSY_CODES),
        example={"parts": [{"kind": "text", "text": "Seawall holds."}]},
    ),
    Operation(
        id="livez",
        method="get",
        path="/livez",
        summary="Is the process alive?",
        description="Answers as long as the process runs. Restart it when this fails.",
        answer=Alive,
        answer_means="It is.",
        codes=(),
    ),
    Operation(
        id="readyz",
        method="get",
        path="/readyz",
        summary="Can it screen?",
        description="200 when verdicts can be given, 503 with the same body when not. Warnings are for the operator.",
        answer=Readiness,
        answer_means="It can.",
        codes=(),
    ),
    Operation(
        id="openapi",
        method="get",
        path="/openapi.json",
        summary="This description, for programs",
        description="OpenAPI 3.1.",
        answer=dict,
        answer_means="The document.",
        codes=(),
    ),
)


def document(operations: Sequence[Operation] = GATE_OPERATIONS, *, version: str) -> dict[str, Any]:
    """The OpenAPI document of these operations. `version` is the release's."""
    types = {one for operation in operations for one in (operation.form, operation.answer) if one not in {None, dict}}
    named = sorted(types | {Problem, Failed, Matches, Verdict}, key=lambda one: one.__name__)
    _, components = msgspec.json.schema_components(named, ref_template="#/components/schemas/{name}")
    for schema in components.values():
        # Docstrings lead readers of the code on to the design; readers of the API have no use for that.
        if "description" in schema:
            schema["description"] = _DESIGN.sub("", schema["description"])
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "Seawall",
            "version": version,
            "description": (
                "Checks uploads against terrorist content that others have already confirmed, before it is published. "
                "Everything under /v1 grows only by addition: ignore fields of answers that you do not know. Fields of "
                "requests that are not known here are refused, so that none is lost silently."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "x-seawall-problems": [_row(kind) for kind in PROBLEMS.values()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key: `swk_…`."}},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    answer = {"type": "object"} if operation.answer is dict else _ref(operation.answer)
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": operation.description,
        "responses": {"200": {"description": operation.answer_means, "content": _json(answer)}, **_problems(operation)},
    }
    if operation.id == "readyz":
        described["responses"]["503"] = {"description": "It cannot, and says why.", "content": _json(answer)}
    if operation.scope is not None:
        described["security"] = [{"key": []}]
        described["x-seawall-scope"] = operation.scope.value
    if operation.form is not None:
        described["requestBody"] = {"required": True, "content": _body(operation)}
    parameters = [_path_parameter(name, means) for name, means in operation.path_parameters.items()]
    if operation.idempotent:
        parameters.append(_IDEMPOTENCY_PARAMETER)
    if parameters:
        described["parameters"] = parameters
    return described


def _body(operation: Operation) -> dict[str, Any]:
    assert operation.form is not None  # noqa: S101 - asked for operations with a body only
    content = _json(_ref(operation.form))
    if operation.example is not None:
        content["application/json"]["example"] = operation.example
    if operation.multipart:
        schema = {
            "type": "object",
            "properties": {"request": _ref(operation.form)},
            "required": ["request"],
            "additionalProperties": {"type": "string", "format": "binary"},
            "description": "`request` is the JSON; every other field is a file that one of its parts names in `file`.",
        }
        encoding = {"request": {"contentType": "application/json"}}
        content["multipart/form-data"] = {"schema": schema, "encoding": encoding}
    return content


def _problems(operation: Operation) -> dict[str, Any]:
    """The problems by status, each status with the codes that it can carry."""
    codes: dict[int, list[str]] = {}
    for code in operation.codes:
        codes.setdefault(PROBLEMS[code].status, []).append(code)
    content = {"application/problem+json": {"schema": _ref(Problem)}}
    return {
        str(status): {"description": ", ".join(named), "content": content, "x-seawall-codes": named}
        for status, named in sorted(codes.items())
    }


def _row(kind: ProblemKind) -> dict[str, Any]:
    return {"code": kind.code, "status": kind.status, "title": kind.title, "next_step": kind.next_step}


def _path_parameter(name: str, means: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": means, "schema": {"type": "string"}}


_IDEMPOTENCY_PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        "1 to 255 visible ASCII characters. The same key with the same request gets the same verdict again, for "
        "at least a day, with the header `Idempotency-Replayed: true`; another request gets `idempotency_conflict`."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def _ref(kind: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
