"""The library's front door: what programs import that match inside themselves."""

import ast
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import seawall

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PICTURES = Path(seawall.__file__).parent / "doors" / "cli" / "demo"
FINE = b"nothing special"


def surface(name: str, **changes: object) -> seawall.Surface:
    fields: dict[str, object] = {
        "audience": seawall.Audience.PUBLIC,
        "fail_mode": seawall.FailMode.HOLD,
        "hold_expiry": seawall.HoldExpiry.REFUSE,
        **changes,
    }
    return seawall.Surface(name=name, **fields)  # type: ignore[arg-type]


def policy(*surfaces: seawall.Surface) -> seawall.Policy:
    rule = seawall.Rule(
        name="listed", action=seawall.Action.BLOCK, code="tvec", text="Listed.", public_text="Stopped.", banks=("mine",)
    )
    return seawall.compile_policy(
        policy_id="test",
        version=1,
        rules=[rule],
        banks=[seawall.BankRules(name="mine", default_action=seawall.Action.BLOCK)],
        surfaces=surfaces or [surface("posts")],
    )


@pytest.fixture(scope="module")
def index() -> seawall.Index:
    listed = seawall.Attributes(bank="mine", confirmed_here=True)
    return seawall.Index.build(
        seawall.IndexedSignal(
            signal_id=seawall.new_id("sig", lambda: NOW), type=one.type, value=one.value, attributes=listed
        )
        for one in seawall.fingerprint(PICTURES / "harbour.jpg")
    )


def test_a_path_and_bytes_and_parts_get_the_same_outcome(index: seawall.Index) -> None:
    path = PICTURES / "harbour-edited.jpg"
    part = seawall.Part(name="harbour-edited.jpg", kind=seawall.Kind.IMAGE, data=path.read_bytes())
    outcomes = [
        seawall.screen(content, index=index, policy=policy(), now=NOW)
        for content in (path, str(path), path.read_bytes(), [part])
    ]
    assert [one.verdict for one in outcomes] == [seawall.Action.BLOCK] * 4
    assert [one.matches[0].distance for one in outcomes] == [14] * 4
    assert outcomes[0].matches[0].part == "harbour-edited.jpg"


def test_parts_are_judged_together(index: seawall.Index) -> None:
    parts = [
        seawall.Part(name="a", kind=seawall.Kind.TEXT, text="fine"),
        seawall.Part(name="b", kind=seawall.Kind.IMAGE, data=(PICTURES / "harbour.jpg").read_bytes()),
    ]
    assert seawall.screen(parts, index=index, policy=policy(), now=NOW).verdict is seawall.Action.BLOCK
    assert seawall.screen(parts[:1], index=index, policy=policy(), now=NOW).verdict is seawall.Action.ALLOW


def test_a_context_asks_for_a_person(index: seawall.Index) -> None:
    context = seawall.Context(claim=seawall.Claim.RESEARCH)
    outcome = seawall.screen(PICTURES / "harbour.jpg", index=index, policy=policy(), now=NOW, context=context)
    assert outcome.verdict is seawall.Action.HOLD
    assert outcome.hold_expires_at == NOW + timedelta(hours=24)


def test_what_cannot_be_opened_follows_the_fail_mode(index: seawall.Index) -> None:
    broken = (PICTURES / "orchard.jpg").read_bytes()[:3_000]
    for mode, action in (("open", "allow"), ("hold", "hold"), ("closed", "block")):
        place = surface("posts", fail_mode=seawall.FailMode(mode))
        outcome = seawall.screen(broken, index=index, policy=policy(), now=NOW, surface=place)
        assert outcome.verdict == action
        assert outcome.degraded


def test_the_surface_is_said_where_there_is_a_choice(index: seawall.Index) -> None:
    two = policy(surface("posts"), surface("comments"))
    with pytest.raises(ValueError, match="comments, posts"):
        seawall.screen(FINE, index=index, policy=two, now=NOW)
    with pytest.raises(ValueError, match="'other'"):
        seawall.screen(FINE, index=index, policy=two, now=NOW, surface="other")
    assert seawall.screen(FINE, index=index, policy=two, now=NOW, surface="posts").verdict == "allow"


def test_private_communication_is_refused_without_a_basis(index: seawall.Index) -> None:
    chat = surface("chat", audience=seawall.Audience.PRIVATE)
    with pytest.raises(ValueError, match="legal basis"):
        seawall.screen(FINE, index=index, policy=policy(chat), now=NOW)
    blank = surface("chat", audience=seawall.Audience.PRIVATE, private_basis="  ")
    with pytest.raises(ValueError, match="legal basis"):
        seawall.screen(FINE, index=index, policy=policy(blank), now=NOW)
    allowed = surface("chat", audience=seawall.Audience.PRIVATE, private_basis="Example Act 5")
    assert seawall.screen(FINE, index=index, policy=policy(allowed), now=NOW).verdict == "allow"


def test_nothing_to_screen_is_an_error_not_an_allow(index: seawall.Index, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to screen"):
        seawall.screen([], index=index, policy=policy(), now=NOW)
    with pytest.raises(FileNotFoundError):
        seawall.screen(tmp_path / "missing", index=index, policy=policy(), now=NOW)
    assert seawall.screen(b"", index=index, policy=policy(), now=NOW).verdict == "hold"


def test_search_and_search_many(index: seawall.Index, tmp_path: Path) -> None:
    (value,) = (one.value for one in seawall.fingerprint(PICTURES / "harbour-edited.jpg") if one.type == "pdq")
    (hit,) = index.search("pdq", value, 31)
    assert index.search("pdq", value, hit.distance - 1) == []
    assert index.search_many("pdq", [value, "0" * 64], 31) == [[hit], []]
    index.save(tmp_path / "index.snapshot")
    assert seawall.Index.open(tmp_path / "index.snapshot").search("pdq", value, 31) == [hit]


def test_the_names_and_the_stub_agree_and_all_are_there() -> None:
    stub = ast.parse((Path(seawall.__file__).parent / "__init__.pyi").read_text())
    imported = {
        (name.asname or name.name, node.module)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert imported == set(seawall._PLACES.items())  # type: ignore[attr-defined]
    assert sorted(seawall.__all__) == sorted(seawall._PLACES)  # type: ignore[attr-defined]
    assert set(seawall.__all__) <= set(dir(seawall))
    for name in seawall.__all__:
        assert getattr(seawall, name).__name__ == name
    with pytest.raises(AttributeError, match="colour"):
        seawall.colour  # type: ignore[attr-defined]  # noqa: B018


def run(code: str) -> None:
    """In a process of its own, in which nothing was imported yet."""
    subprocess.run([sys.executable, "-c", code, str(PICTURES)], check=True)


def test_importing_it_loads_nothing() -> None:
    run(
        "import sys; before = set(sys.modules); import seawall; loaded = set(sys.modules) - before\n"
        "own = {name for name in loaded if name.partition('.')[0] not in sys.stdlib_module_names}\n"
        "assert own == {'seawall'}, own"
    )


def test_using_it_loads_no_django_and_no_database() -> None:
    run(
        """
import sys
from datetime import UTC, datetime
import seawall

now = datetime.now(UTC)
listed = seawall.Attributes(bank="mine", confirmed_here=True)
signals = seawall.fingerprint(sys.argv[1] + "/harbour.jpg")
index = seawall.Index.build(
    seawall.IndexedSignal(
        signal_id=seawall.new_id("sig", lambda: now), type=one.type, value=one.value, attributes=listed
    )
    for one in signals
)
policy = seawall.compile_policy(
    policy_id="mine", version=1,
    rules=[seawall.Rule(name="r", action=seawall.Action.HOLD, code="c", text="t", public_text="p", banks=("mine",))],
    banks=[seawall.BankRules(name="mine")],
    surfaces=[seawall.Surface(name="posts", audience=seawall.Audience.PUBLIC, fail_mode=seawall.FailMode.HOLD,
                              hold_expiry=seawall.HoldExpiry.REFUSE)],
)
outcome = seawall.screen(sys.argv[1] + "/harbour-edited.jpg", index=index, policy=policy, now=now)
assert outcome.verdict == "hold", outcome
loaded = {"django", "sqlite3", "psycopg", "httpx", "uvicorn", "seawall.app"} & set(sys.modules)
assert not loaded, loaded
"""
    )
