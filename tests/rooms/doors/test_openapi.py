"""The description of the API is true: generated from what is read and written, complete, and the docs agree with it."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seawall.doors.gate import GATE_OPERATIONS, PROBLEMS, Operation, Refused, document, problem_answer
from seawall.doors.gate.forms import PartForm, ScreenForm, SignalForm
from seawall.doors.web.application import SCREENING_OPERATION
from seawall.screening.model import Verdict
from tests.rooms.doors.scene import Api

HTTP_DOC = Path(__file__).parents[3] / "docs/reference/http.md"
OPERATIONS = (*GATE_OPERATIONS, SCREENING_OPERATION)
DOCUMENT = document(OPERATIONS, version="1.2.3")


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(one) for one in value.values()))
    if isinstance(value, list):
        return set().union(*(references(one) for one in value))
    return set()


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert set(DOCUMENT) <= {"openapi", "info", "servers", "paths", "components", "x-seawall-problems"}
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert set(msgspec.json.decode(msgspec.json.encode(DOCUMENT))) == set(DOCUMENT)


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    named = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert references(DOCUMENT) == named


@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.id)
def test_every_operation_is_complete(one: Operation) -> None:
    described = DOCUMENT["paths"][one.path][one.method]
    assert described["operationId"] == one.id
    assert described["summary"]
    assert all(response["description"] for response in described["responses"].values())
    assert {status for status in described["responses"] if status != "200"} >= {
        str(PROBLEMS[code].status) for code in one.codes
    }
    declared = {parameter["name"] for parameter in described.get("parameters", ()) if parameter["in"] == "path"}
    assert declared == set(re.findall(r"\{(\w+)\}", one.path))
    assert ("security" in described) == one.path.startswith("/v1/")


def test_operation_ids_differ() -> None:
    assert len({one.id for one in OPERATIONS}) == len(OPERATIONS)


def test_the_gate_serves_exactly_what_is_described(api: Api) -> None:
    assert set(api.app.routes) == {one.path for one in GATE_OPERATIONS}
    for one in GATE_OPERATIONS:
        assert api.app.routes[one.path].method == one.method.upper()
    assert api.call("GET", "/openapi.json", who=None).json()["openapi"] == "3.1.0"


def test_the_examples_have_the_form_they_show(api: Api) -> None:
    for one in GATE_OPERATIONS:
        if one.example is not None:
            assert api.post(one.path, one.example).status_code == 200, one.id


def test_the_forms_are_described_with_their_limits() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert set(schemas["Verdict"]["properties"]) == {field.encode_name for field in msgspec.structs.fields(Verdict)}
    for form in (ScreenForm, PartForm, SignalForm):
        described = schemas[form.__name__]
        assert described["additionalProperties"] is False
        assert set(described["properties"]) == set(form.__struct_fields__)
    assert schemas["ScreenForm"]["properties"]["parts"]["maxItems"] == 32


def test_times_are_said_to_be_times() -> None:
    for form, fields in (
        ("Verdict", ["screened_at", "hold_expires_at"]),
        ("HoldNow", ["resolved_at"]),
        ("Readiness", ["state_made_at"]),
        ("ScreenForm", ["created_at"]),
    ):
        for name in fields:
            described = DOCUMENT["components"]["schemas"][form]["properties"][name]
            assert "date-time" in {one.get("format") for one in (described, *described.get("anyOf", ()))}, name


class TestProblems:
    @pytest.mark.parametrize("code", PROBLEMS)
    def test_each_is_whole(self, code: str) -> None:
        answer = problem_answer(Refused(code, "what happened"))
        body = msgspec.json.decode(answer.body)
        assert body["type"] == f"/docs#{code}"
        assert body["status"] == answer.status
        assert 400 <= answer.status < 600
        assert all(body[field] for field in ("title", "detail", "next_step"))
        assert (b"retry-after" in dict(answer.headers)) == (answer.status in {429, 503})

    def test_each_is_raised_somewhere_and_documented_somewhere(self) -> None:
        source = Path(__file__).parents[3] / "src/seawall"
        written = "".join(
            file.read_text()
            for place in ("doors", "members")
            for file in (source / place).rglob("*.py")
            if file.name not in {"problems.py", "openapi.py"}
        )
        assert [code for code in PROBLEMS if f'"{code}"' not in written] == []
        described = {code for one in OPERATIONS for code in one.codes}
        elsewhere = {"not_found", "method_not_allowed", "no_look"}
        assert set(PROBLEMS) == described | elsewhere

    def test_the_reference_has_exactly_this_table(self) -> None:
        rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (.+?) \| (.+?) \|$", HTTP_DOC.read_text(), re.MULTILINE)
        assert rows == [
            (kind.code, str(kind.status), kind.title, kind.next_step.replace("|", "\\|")) for kind in PROBLEMS.values()
        ]

    def test_the_reference_names_every_address(self) -> None:
        text = HTTP_DOC.read_text()
        assert [one.path for one in OPERATIONS if f"`{one.method.upper()} {one.path}`" not in text] == []
