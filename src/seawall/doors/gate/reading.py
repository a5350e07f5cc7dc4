"""From the bytes of a request to what the rooms take: forms checked, parts made, every mistake pointed at."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from seawall.doors.gate.forms import LONGEST_CONTEXT, MOST_SIGNALS, PartForm, ScreenForm, SignalForm
from seawall.doors.gate.problems import FieldError, Refused
from seawall.signals.extract import SIGNAL_TYPES, canonical_signal
from seawall.signals.model import BadSignal, Kind, Part, Signal
from seawall.signals.text import MAX_TEXT_LENGTH
from seawall.signals.url import MAX_URL_LENGTH

Read = TypeVar("Read")

_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One mistake of the caller's: the problem's code, where, and what."""

    code: str
    pointer: str
    detail: str


def decode(body: bytes | msgspec.Raw, form: type[Read]) -> Read:
    """The body as this form.

    Raises:
        Refused: `bad_json` when it is no JSON, `invalid_request` when it has another form; unknown fields are refused,
            since a misspelt `context` must not be lost silently.
    """
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.ValidationError as error:
        raise Refused("invalid_request", "The request has not the right form.", errors=[_field_error(error)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("bad_json", f"This is not JSON in UTF-8: {_safe(str(error))}.") from error


def read_parts(forms: Iterable[PartForm], files: Mapping[str, bytes]) -> tuple[Part, ...]:
    """The parts of the content, named, with their files.

    Raises:
        Refused: with everything that is wrong with them; its code is the first finding's.
    """
    forms = tuple(forms)
    names = part_names(forms)
    findings: list[Finding] = []
    parts = []
    for number, (name, form) in enumerate(zip(names, forms, strict=True)):
        pointer = f"/parts/{number}"
        findings += _check_part(form, pointer, files)
        parts.append(_part(name, form, pointer, files, findings))
    findings += _check_together(names, forms, files)
    refuse(findings)
    return tuple(parts)


def part_names(forms: Iterable[PartForm]) -> list[str]:
    """Each part's name; a nameless part is called by its kind and its number among the parts of that kind."""
    seen: Counter[Kind] = Counter()
    names = []
    for form in forms:
        seen[form.kind] += 1
        names.append(form.name or f"{form.kind}-{seen[form.kind]}")
    return names


def check_screen(form: ScreenForm) -> None:
    """What the form's types cannot say about texts."""
    findings = [
        Finding(code="invalid_request", pointer=f"/{field}", detail="control characters are not allowed here")
        for field in ("content_id", "uploader")
        if _CONTROL.search(getattr(form, field) or "")
    ]
    if form.context is not None and len(form.context.text) > LONGEST_CONTEXT:
        detail = f"has {len(form.context.text)} characters; at most {LONGEST_CONTEXT} are allowed"
        findings.append(Finding(code="invalid_request", pointer="/context/text", detail=detail))
    refuse(findings)


def read_signal(form: SignalForm) -> Signal:
    """The signal in canonical form. Raises BadSignal."""
    signal = canonical_signal(form.type, form.value, form.quality)
    if form.version is not None and form.version != signal.version:
        raise BadSignal(f"{form.type}: version {form.version} is not known here, only {signal.version}: hash it again")
    return signal


def request_digest(form: msgspec.Struct, parts: Iterable[Part]) -> bytes:
    """SHA-256 over the parsed request and the digests of its files: multipart boundaries, spaces and the order of
    fields make no difference, content does.
    """
    digest = hashlib.sha256(msgspec.json.encode(form, order="deterministic"))
    for part in parts:
        if part.data is not None:
            digest.update(hashlib.sha256(part.data).digest())
    return digest.digest()


def refuse(findings: Iterable[Finding]) -> None:
    """Raise all findings as one problem, if there are any."""
    found = list(findings)
    if found:
        errors = [FieldError(pointer=one.pointer, detail=one.detail) for one in found]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Refused(found[0].code, f"{found[0].pointer}: {found[0].detail}{more}.", errors=errors)


def _check_part(form: PartForm, pointer: str, files: Mapping[str, bytes]) -> Iterator[Finding]:
    given = [field for field in ("file", "text", "url", "signals") if getattr(form, field) is not None]
    allowed = {Kind.TEXT: {"file", "text", "signals"}, Kind.URL: {"url", "signals"}}.get(form.kind, {"file", "signals"})
    if len(given) != 1:
        said = " and ".join(given) or "none"
        detail = f"give exactly one of file, text, url, signals (given: {said})"
        yield Finding(code="invalid_request", pointer=pointer, detail=detail)
    elif given[0] not in allowed:
        detail = f"a part of kind {form.kind} takes {' or '.join(sorted(allowed))}, not {given[0]}"
        yield Finding(code="invalid_request", pointer=f"{pointer}/{given[0]}", detail=detail)
    if form.name is not None and _CONTROL.search(form.name):
        detail = "control characters are not allowed in names"
        yield Finding(code="invalid_request", pointer=f"{pointer}/name", detail=detail)
    if form.file is not None and form.file not in files:
        detail = f"no multipart field is called {form.file!r}"
        yield Finding(code="missing_file", pointer=f"{pointer}/file", detail=detail)
    content = {"file": files.get(form.file) if form.file else None, "text": form.text, "url": form.url}
    for field, value in (*content.items(), ("signals", form.signals)):
        if value is not None and not value:
            yield Finding(code="empty_part", pointer=f"{pointer}/{field}", detail="is empty")
    for field, text, most in (("text", form.text, MAX_TEXT_LENGTH), ("url", form.url, MAX_URL_LENGTH)):
        if text is not None and len(text) > most:
            detail = f"has {len(text)} characters; at most {most} are allowed"
            yield Finding(code="invalid_request", pointer=f"{pointer}/{field}", detail=detail)


def _check_together(names: Iterable[str], forms: Iterable[PartForm], files: Mapping[str, bytes]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        if name in first:
            detail = f"{name!r} is also the name of part {first[name]}: names must differ"
            yield Finding(code="invalid_request", pointer=f"/parts/{number}/name", detail=detail)
        first.setdefault(name, number)
    forms = tuple(forms)
    if sum(len(form.signals or ()) for form in forms) > MOST_SIGNALS:
        detail = f"all parts together have more than {MOST_SIGNALS} signals"
        yield Finding(code="invalid_request", pointer="/parts", detail=detail)
    for unused in sorted(set(files) - {form.file for form in forms}):
        yield Finding(code="unused_file", pointer="/parts", detail=f"no part names the file field {unused[:80]!r}")


def _part(name: str, form: PartForm, pointer: str, files: Mapping[str, bytes], findings: list[Finding]) -> Part:
    signals = None
    if form.signals is not None:
        read: list[Signal] = []
        for number, one in enumerate(form.signals):
            try:
                read.append(read_signal(one))
            except BadSignal as error:
                place = "type" if one.type not in SIGNAL_TYPES else "value"
                at = f"{pointer}/signals/{number}/{place}"
                findings.append(Finding(code="bad_signal", pointer=at, detail=str(error)))
        signals = tuple(read)
    data = files.get(form.file) if form.file is not None else None
    return Part(name=name, kind=form.kind, data=data, text=form.text, url=form.url, signals=signals)


def _field_error(error: msgspec.ValidationError) -> FieldError:
    """`Expected … - at `$.parts[1].kind`` as a JSON pointer and words."""
    place = _PLACE.match(str(error))
    what, path = (place["what"], place["path"] or "") if place else (str(error), "")
    pointer = "".join(f"/{name or number}" for name, number in _STEP.findall(path))
    unknown = _UNKNOWN.fullmatch(what)
    if unknown:
        name = _safe(unknown["name"][:80])
        escaped = name.replace("~", "~0").replace("/", "~1")
        return FieldError(
            pointer=f"{pointer}/{escaped}", detail=f"the field {name!r} is not known here; is it misspelt?"
        )
    return FieldError(pointer=pointer, detail=_safe(what[:300]))


def _safe(text: str) -> str:
    """Words of a parser, fit for an answer: on one line."""
    return " ".join(_CONTROL.sub(" ", text).split()).rstrip(".")
