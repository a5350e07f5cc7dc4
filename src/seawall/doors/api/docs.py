"""The readable description of the API: an HTML page drawn on the server from the OpenAPI document."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from seawall.doors.api.context import context_of

STYLE_SHEET = Path(__file__).parent / "assets" / "docs.css"
#: Without one, browsers ask for /favicon.ico and complain that there is none.
ICON = Path(__file__).parent / "assets" / "icon.svg"

#: A day: the page changes only with a release.
CACHE = "max-age=86400"

JSON = "application/json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A piece of a type's description; `anchor` leads to the form it names."""

    text: str
    anchor: str = ""
    code: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    name: str
    type: tuple[Word, ...]
    required: bool
    limits: str
    description: tuple[Word, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """One schema: an object with fields, or a choice of words."""

    name: str
    description: tuple[Word, ...]
    fields: tuple[Field, ...]
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problems:
    status: str
    codes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """One operation as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    description: tuple[Word, ...]
    scope: str
    multipart: bool
    parameters: tuple[Field, ...]
    takes: tuple[Word, ...]
    gives: tuple[Word, ...]
    answer_means: tuple[Word, ...]
    problems: tuple[Problems, ...]
    example: str


#: The page of each language, by the document it was drawn from: drawing it takes a tenth of a second, which strangers
#: could ask for again and again.
_DRAWN: dict[str, tuple[Mapping[str, Any], str]] = {}


def docs(request: HttpRequest) -> HttpResponse:
    document, language = context_of(request).document, get_language()
    drawn_from, page = _DRAWN.get(language, (None, ""))
    if drawn_from is not document:
        page = _draw(document)
        _DRAWN[language] = document, page
    return HttpResponse(page)


def _draw(document: Mapping[str, Any]) -> str:
    return render_to_string(
        "api/docs.html",
        {
            "info": document["info"],
            "addresses": [*addresses(document)],
            "forms": [*forms(document)],
            "problems": [{**one, "next_step": prose(one["next_step"])} for one in document["x-seawall-problems"]],
        },
    )


def style(_request: HttpRequest) -> HttpResponse:
    return _asset(STYLE_SHEET, "text/css; charset=utf-8")


def icon(_request: HttpRequest) -> HttpResponse:
    return _asset(ICON, "image/svg+xml")


def _asset(file: Path, content_type: str) -> HttpResponse:
    return HttpResponse(file.read_bytes(), content_type=content_type, headers={"Cache-Control": CACHE})


def addresses(document: Mapping[str, Any]) -> Iterable[Address]:
    for path, operations in document["paths"].items():
        for method, one in operations.items():
            yield _address(path, method, one)


def forms(document: Mapping[str, Any]) -> Iterable[Form]:
    for name, schema in document["components"]["schemas"].items():
        required = set(schema.get("required", ()))
        yield Form(
            name=name,
            description=prose(schema.get("description", "")),
            fields=tuple(_field(key, one, key in required) for key, one in schema.get("properties", {}).items()),
            choices=tuple(str(choice) for choice in schema.get("enum", ())),
        )


def describe(schema: Mapping[str, Any]) -> tuple[Word, ...]:
    """What a value of this schema is, in words, with links to the forms it names."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return (Word(text=name, anchor=f"form-{name}"),)
    if "anyOf" in schema:
        return _either(describe(one) for one in schema["anyOf"])
    if "enum" in schema:
        return _either((Word(text=json.dumps(one), code=True),) for one in schema["enum"])
    kind = schema.get("type", "")
    if kind == "array":
        return (Word(text=_("list of")), *describe(schema["items"])) if schema.get("items") else (Word(text=_("list")),)
    names = {
        "string": _("text"),
        "integer": _("whole number"),
        "number": _("number"),
        "boolean": _("true or false"),
        "null": _("null"),
        "object": _("object"),
    }
    if schema.get("format") == "date-time":
        return (Word(text=_("time (RFC 3339)")),)
    return (Word(text=names.get(kind, _("anything"))),)


def prose(text: str) -> tuple[Word, ...]:
    """The document's text, whose code stands between backticks."""
    return tuple(Word(text=piece, code=bool(at % 2)) for at, piece in enumerate(text.split("`")) if piece)


def _address(path: str, method: str, one: Mapping[str, Any]) -> Address:
    body = one.get("requestBody", {}).get("content", {})
    answer = one["responses"]["200"]
    return Address(
        id=one["operationId"],
        method=method.upper(),
        path=path,
        summary=one["summary"],
        description=prose(one["description"]),
        scope=one.get("x-seawall-scope", ""),
        multipart="multipart/form-data" in body,
        parameters=tuple(
            Field(
                name=parameter["name"],
                type=describe(parameter["schema"]),
                required=parameter["required"],
                limits="",
                description=prose(parameter["description"]),
            )
            for parameter in one.get("parameters", ())
        ),
        takes=describe(body[JSON]["schema"]) if body else (),
        gives=describe(answer["content"][JSON]["schema"]),
        answer_means=prose(answer["description"]),
        problems=tuple(_problems(one)),
        example=_curl(path, method, one, body),
    )


def _problems(one: Mapping[str, Any]) -> Iterable[Problems]:
    for status, response in one["responses"].items():
        codes = tuple(response.get("x-seawall-codes", ()))
        if codes:
            yield Problems(status=status, codes=codes)


def _curl(path: str, method: str, one: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """A command to paste. The key stands in a variable, so that it stays out of the shell's history."""
    lines = [f"curl http://127.0.0.1:8080{path}"]
    if "security" in one:
        lines.append('-H "Authorization: Bearer $API_KEY"')
    if method == "post":
        example = json.dumps(body[JSON].get("example", {}), indent=2)
        lines += ["-H 'Content-Type: application/json'", f"-d '{example}'"]
    return " \\\n  ".join(lines)


def _field(name: str, schema: Mapping[str, Any], required: bool) -> Field:  # noqa: FBT001 - a fact of the schema
    return Field(
        name=name,
        type=describe(schema),
        required=required,
        limits=_limits(schema),
        description=prose(schema.get("description", "")),
    )


def _limits(schema: Mapping[str, Any]) -> str:
    """The limits of a value, of the first alternative that has any."""
    for one in (schema, *schema.get("anyOf", ())):
        for least, most, unit in (
            ("minLength", "maxLength", _("characters")),
            ("minItems", "maxItems", _("items")),
            ("minimum", "maximum", ""),
        ):
            if most in one:
                return f"{one.get(least, 0)}-{one[most]} {unit}".strip()
    return ""


def _either(alternatives: Iterable[tuple[Word, ...]]) -> tuple[Word, ...]:
    words: list[Word] = []
    for one in alternatives:
        if words:
            words.append(Word(text=_("or")))
        words.extend(one)
    return tuple(words)
