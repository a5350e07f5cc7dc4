import html
import re

import msgspec

from seawall.doors.console.policy.words import differences, sentence
from seawall.matching.banks import create_bank, retire_bank
from seawall.matching.model import BankKind
from seawall.members.roles import Role
from seawall.record import journal
from seawall.record.clock import system_clock
from seawall.record.models import Event as Row
from seawall.screening.model import Action, Rule
from seawall.screening.models import PolicyVersion
from seawall.screening.policies import BUILT_IN_RULES, policy_in_force, rules_of, save_policy
from seawall.screening.policy import PUBLIC_HOLD
from seawall.screening.publish import bank_rules
from tests.plans import assert_lean
from tests.rooms.doors.console.browsing import Browser, Console

HOSTILE = "<script>alert(1)</script>"
FORM = {
    "name": "forum",
    "banks": ["test-card"],
    "labels": "tvec, propaganda",
    "max_distance": "20",
    "min_confirmed_by": "2",
    "action": "hold",
    "code": "tvec",
    "text": "Listed by a forum.",
    "public_text": "It resembles listed material.",
    "priority": "7",
    "note": "as the forum asked",
    "based_on": "1",
}
FORUM = Rule(
    name="forum",
    action=Action.HOLD,
    code="tvec",
    text="Listed by a forum.",
    public_text="It resembles listed material.",
    banks=("test-card",),
    labels=("tvec", "propaganda"),
    max_distance=20,
    min_confirmed_by=2,
    priority=7,
)


def save(*rules: Rule, note: str = "") -> int:
    return save_policy(rules, banks=bank_rules(), by="per_x", now=system_clock(), note=note).version


def in_force() -> dict[str, Rule]:
    return {rule.name: rule for rule in rules_of(policy_in_force())}


def test_rules_are_sentences() -> None:
    assert sentence(FORUM) == (
        "When a match is in test-card and it carries the label tvec or propaganda and it lies within 20 bits and at "
        "least 2 organisations confirmed it, then hold it until a person has looked."
    )
    exact = Rule(name="x", action=Action.BLOCK, code="x", text="x", public_text="x", labels=("a",), max_distance=0)
    assert sentence(exact) == "When a match carries the label a and it is exact, then block it."
    one = msgspec.structs.replace(exact, max_distance=1, min_confirmed_by=1, action=Action.ALLOW)
    assert sentence(one).endswith("within 1 bit and at least 1 organisation confirmed it, then allow it.")


def test_differences_name_what_was_added_removed_and_changed() -> None:
    card, other = BUILT_IN_RULES
    changed = msgspec.structs.replace(card, public_text="Another text.", max_distance=3, priority=1)
    found = {one.rule: one for one in differences([card, other], [changed, FORUM])}
    assert {name: one.how for name, one in found.items()} == {
        "test-card": "changed",
        "instructional-material": "removed",
        "forum": "added",
    }
    said = "\n".join(found["test-card"].lines)
    assert "within 3 bits" in said
    assert "Another text." in said
    assert "Priority was “100”, now “1”" in said
    assert differences([card], [card]) == []


def test_everybody_reads_the_policy_in_force(reader: Browser) -> None:
    shown = reader.get("/policy")
    assert shown.status_code == 200
    text = html.unescape(shown.text)
    assert "Version 1 is in force. Owner saved it on" in text
    assert "When a match is in test-card, then block it." in text
    assert "is blocked, if people confirmed the signal or the bank is trusted; otherwise held" in text
    assert "/policy/new-rule" not in text


def test_a_rule_is_added_changed_and_removed_each_as_a_version(sqlite_console: Console, owner: Browser) -> None:
    answer = owner.post("/policy/new-rule", FORM)
    assert (answer.status_code, answer.headers.get("location")) == (302, "/policy"), answer.text
    assert in_force()["forum"] == FORUM
    event = journal.read(Row.objects.order_by("-serial")[0])
    assert event is not None
    assert (event.name, event.by) == ("screening:policy:saved", owner.person.id)
    assert "as the forum asked" in owner.get("/policy").text

    shown = owner.get("/policy/rules/forum").text
    assert 'name="based_on" value="2"' in shown
    changed = {**FORM, "name": "forum-two", "based_on": "2", "max_distance": "", "labels": ""}
    assert owner.post("/policy/rules/forum", changed, page="/policy/rules/forum").status_code == 302
    assert "forum" not in in_force()
    assert (in_force()["forum-two"].max_distance, in_force()["forum-two"].labels) == (None, ())

    removed = owner.post("/policy/rules/forum-two/remove", {"based_on": "3", "note": ""})
    assert removed.headers.get("location") == "/policy", removed.text
    assert set(in_force()) == {"test-card", "instructional-material"}
    sqlite_console.publish()
    assert policy_in_force().version == 4


def test_what_the_room_finds_stands_beside_its_field(owner: Browser) -> None:
    create_bank("safe", by="per_x", now=system_clock(), kind=BankKind.KNOWN_SAFE)
    for field, value, wrong in (
        ("name", "Not a name", "name"),
        ("name", "test-card", "name"),
        ("name", "", "name"),
        ("name", HOSTILE, "name"),
        ("name", "a\0b", "name"),
        ("banks", ["unknown"], "banks"),
        ("banks", ["safe"], "banks"),
        ("labels", "Bad!", "labels"),
        ("max_distance", "65", "max_distance"),
        ("max_distance", "far", "max_distance"),
        ("min_confirmed_by", "-1", "min_confirmed_by"),
        ("min_confirmed_by", "", "min_confirmed_by"),
        ("action", "delete", "action"),
        ("action", "", "action"),
        ("code", " ", "code"),
        ("code", "x" * 64, "code"),
        ("text", "", "text"),
        ("text", "x" * 1_001, "text"),
        ("public_text", "", "public_text"),
        ("priority", "9" * 400, "priority"),
        ("priority", "", "priority"),
        ("based_on", "", "based_on"),
        ("based_on", "x", "based_on"),
    ):
        answer = owner.post("/policy/new-rule", {**FORM, field: value})
        assert answer.status_code == 422, (field, value)
        if wrong != "based_on":
            assert f'id="id_{wrong}_error"' in answer.text, (field, value, answer.text)
        assert HOSTILE not in answer.text
    neither = owner.post("/policy/new-rule", {**FORM, "banks": [], "labels": ""})
    assert "names neither a bank nor a label" in neither.text
    assert 'id="id_banks_error"' in neither.text
    assert policy_in_force().version == 1


def test_the_last_rule_stays(owner: Browser) -> None:
    version = save(BUILT_IN_RULES[0])
    answer = owner.post("/policy/rules/test-card/remove", {"based_on": str(version)})
    assert answer.status_code == 422
    assert "It is the only rule" in answer.text
    assert policy_in_force().version == version


def test_two_people_who_edit_at_once_both_see_it(owner: Browser) -> None:
    save(*BUILT_IN_RULES, FORUM)
    theirs = msgspec.structs.replace(FORUM, max_distance=5, public_text=f"Their text {HOSTILE}")
    save(*BUILT_IN_RULES, theirs)
    answer = owner.post("/policy/rules/forum", {**FORM, "based_on": "2", "max_distance": "30"}, page="/policy/new-rule")
    assert answer.status_code == 409
    text = html.unescape(answer.text)
    assert "Nothing was saved" in text
    assert "within 30 bits" in text
    assert "within 5 bits" in text
    assert "It resembles listed material." in text
    assert HOSTILE not in answer.text
    assert in_force()["forum"] == theirs
    # Removing and restoring are refused alike; so is changing a rule that is gone.
    assert owner.post("/policy/rules/forum/remove", {"based_on": "2"}).status_code == 409
    assert owner.post("/policy/versions/1/restore", {"based_on": "2"}).status_code == 409
    save(*BUILT_IN_RULES)
    gone = owner.post("/policy/rules/forum", {**FORM, "based_on": "3"}, page="/policy/new-rule")
    assert gone.status_code == 409
    assert "not in force any more" in gone.text
    assert policy_in_force().version == 4


def test_the_preview_saves_nothing(owner: Browser) -> None:
    form = {**FORM, "preview": "", "public_text": f"You may ask. {HOSTILE}"}
    answer = owner.post("/policy/new-rule", form)
    assert answer.status_code == 200
    assert "What the uploader would read" in answer.text
    assert "You may ask. &lt;script&gt;" in answer.text
    assert PUBLIC_HOLD not in answer.text
    assert PUBLIC_HOLD in owner.post("/policy/new-rule", {**form, "action": "block"}).text
    assert "the upload is published" in owner.post("/policy/new-rule", {**form, "action": "allow"}).text
    assert "preview" in owner.post("/policy/new-rule", {"preview": ""}).text
    assert policy_in_force().version == 1


def test_versions_are_listed_compared_and_restored(owner: Browser, reader: Browser) -> None:
    save(*BUILT_IN_RULES, FORUM, note=f"two {HOSTILE}")
    save(BUILT_IN_RULES[0], note="three")
    listed = reader.get("/policy/versions").text
    assert "two &lt;script&gt;" in listed
    assert HOSTILE not in listed
    second = html.unescape(reader.get("/policy/versions/2").text)
    assert re.search(r"<strong>forum</strong>:\s*added", second)
    third = html.unescape(reader.get("/policy/versions/3?against=1").text)
    assert "different from version 1" in third
    assert re.search(r"<strong>instructional-material</strong>:\s*removed", third)
    assert "Restore" not in third
    assert "What will change against version 3" in owner.get("/policy/versions/2/restore").text
    restored = owner.post("/policy/versions/2/restore", {"based_on": "3", "note": "back"})
    assert restored.headers.get("location") == "/policy", restored.text
    assert (policy_in_force().version, in_force()["forum"]) == (4, FORUM)
    assert [one.version for one in PolicyVersion.objects.order_by("version")] == [1, 2, 3, 4]


def test_a_version_whose_bank_is_gone_is_not_restored(owner: Browser) -> None:
    create_bank("forum-bank", by="per_x", now=system_clock())
    save(*BUILT_IN_RULES, msgspec.structs.replace(FORUM, banks=("forum-bank",)))
    save(*BUILT_IN_RULES)
    retire_bank("forum-bank", by="per_x", now=system_clock())
    answer = owner.post("/policy/versions/2/restore", {"based_on": "3", "note": ""})
    assert answer.status_code == 422
    assert "unknown bank" in html.unescape(answer.text)
    assert policy_in_force().version == 3


def test_what_is_not_there_is_not_found(owner: Browser) -> None:
    for path in (
        "/policy/rules/none",
        "/policy/rules/%00",
        "/policy/rules/none/remove",
        "/policy/versions/0",
        "/policy/versions/99",
        "/policy/versions/99999999999999999999",
        "/policy/versions/99/restore",
        "/policy/versions/1?against=99",
    ):
        assert owner.get(path).status_code == 404, path
    for path in (
        "/policy?from=x",
        "/policy?from=999999",
        "/policy/versions?before=%00",
        "/policy/versions?before=9999999999",
    ):
        assert owner.get(path).status_code == 200, path
    assert owner.post("/policy/rules/none/remove", {"based_on": "1"}, page="/policy/new-rule").status_code == 404


def test_only_who_configures_changes(sqlite_console: Console) -> None:
    save(*BUILT_IN_RULES)
    changing = (
        "/policy/new-rule",
        "/policy/rules/test-card",
        "/policy/rules/test-card/remove",
        "/policy/versions/1/restore",
    )
    for role in (Role.MODERATOR, Role.READER):
        browser = sqlite_console.browser(role)
        for path in changing:
            assert browser.get(path).status_code == 404
            assert browser.post(path, {**FORM, "based_on": "2"}, page="/banks").status_code == 404
        for path in ("/policy", "/policy/versions", "/policy/versions/1"):
            assert browser.get(path).status_code == 200
    stranger = sqlite_console.browser(None)
    for path in (*changing, "/policy", "/policy/versions", "/policy/versions/1"):
        assert stranger.get(path).headers["location"].startswith("/account/login/")
    owner = sqlite_console.browser(Role.OWNER)
    for path in changing:
        assert owner.request("POST", path, data={**FORM, "based_on": "2"}).status_code == 403
    assert policy_in_force().version == 2


def test_a_large_policy_goes_on_page_by_page(console: Console) -> None:
    rules = [msgspec.structs.replace(FORUM, name=f"r{n:03}", text="t" * 300, public_text="p" * 300) for n in range(70)]
    for _ in range(30):
        save(*rules, note="n" * 400)
    owner = console.browser(Role.OWNER)
    seen: list[str] = []
    path = "/policy"
    while path:
        lean = assert_lean(lambda path=path: owner.get(path))  # type: ignore[misc]
        text = lean.answer.text
        assert len(text) < 33_000, path
        seen += re.findall(r'id="rule-(r\d+)"', text)
        following = re.search(r"\?from=(\d+)", text)
        path = f"/policy?from={following[1]}" if following else ""
    assert seen == [f"r{n:03}" for n in range(70)]
    for path in ("/policy/versions", "/policy/versions?before=10", "/policy/versions/31", "/policy/rules/r001"):
        lean = assert_lean(lambda path=path: owner.get(path))  # type: ignore[misc]
        assert lean.answer.status_code == 200
        assert len(lean.answer.text) < 33_000, path
    assert "Older" in owner.get("/policy/versions").text
