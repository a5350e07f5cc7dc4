import hashlib
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from seawall.doors.console.banks.forms import LARGEST_LIST_BYTES
from seawall.matching.banks import add_signals, create_bank, find_bank
from seawall.matching.browse import PAGE
from seawall.matching.imports import import_list
from seawall.matching.model import SignalStatus
from seawall.matching.models import Bank, Import, ListedSignal
from seawall.members.roles import Role
from seawall.record import journal
from seawall.record.clock import system_clock
from seawall.record.events import Event
from seawall.record.models import Event as Row
from seawall.signals.model import Signal
from tests.plans import assert_lean
from tests.rooms.doors.console.browsing import Browser, Console
from tests.rooms.doors.scene import picture

HOSTILE = "<script>alert(1)</script>"
RULES = {
    "max_distance": "31",
    "default_action": "block",
    "confirmations_to_block": "3",
    "listed_by": "",
    "labels": "",
    "counts_as_protection": "on",
    "reporting_duty": "",
}


def sha256(word: object) -> str:
    return hashlib.sha256(str(word).encode()).hexdigest()


def newest_event() -> Event:
    found = journal.read(Row.objects.order_by("-serial")[0])
    assert found is not None
    return found


@pytest.fixture
def bank(owner: Browser) -> Bank:
    return create_bank("ours", by=owner.person.id, now=system_clock())


def _listed(bank: Bank, *words: object, **more: object) -> tuple[str, ...]:
    signals = [Signal(type="sha256", value=sha256(word)) for word in words]
    return add_signals(bank.name, signals, by="per_x", now=system_clock(), **more).ids  # type: ignore[arg-type]


def _row(signal_id: str) -> ListedSignal:
    return ListedSignal.objects.get(id=signal_id[4:])


def test_every_bank_is_listed_and_the_test_card_does_not_protect(owner: Browser) -> None:
    create_bank("forum", by="per_x", now=system_clock(), listed_by=f"The forum {HOSTILE}")
    shown = owner.get("/banks").text
    assert "does not protect" in shown
    assert "The forum &lt;script&gt;" in shown
    assert HOSTILE not in shown
    assert ">hold<" in shown or "hold" in shown


def test_a_bank_is_made_changed_renamed_and_retired(owner: Browser) -> None:
    made = {"name": "ours", "kind": "listed", "listed_by": "", "default_action": "", "labels": "tvec, propaganda"}
    assert owner.post("/new-bank", made).headers["location"] == "/banks/ours"
    assert "Now put signals into it" in owner.get("/banks/ours").text
    bank = find_bank("ours")
    assert (bank.default_action, bank.labels, bank.created_by) == ("block", ["propaganda", "tvec"], owner.person.id)

    rules = {**RULES, "max_distance": "20", "default_action": "hold", "trusted_to_block": "on", "labels": "tvec"}
    assert owner.post("/banks/ours/rules", rules).headers["location"] == "/banks/ours"
    bank = find_bank("ours")
    assert (bank.max_distance, bank.default_action, bank.labels) == (20, "hold", ["tvec"])
    assert (bank.trusted_to_block, bank.trusted_by) == (True, owner.person.id)
    event = newest_event()
    assert (event.name, event.by) == ("matching:bank:changed", owner.person.id)
    assert "recorded on" in owner.get("/banks/ours").text

    assert owner.post("/banks/ours/rename", {"name": "own-list"}).headers["location"] == "/banks/own-list"
    assert newest_event().name == "matching:bank:renamed"
    assert "cannot be undone" in owner.get("/banks/own-list/retire").text
    assert owner.post("/banks/own-list/retire").headers["location"] == "/banks"
    assert newest_event().name == "matching:bank:retired"
    assert "Retired banks" in owner.get("/banks").text
    assert owner.get("/banks/own-list").status_code == 404


def test_trust_that_was_recorded_keeps_its_date(owner: Browser, bank: Bank) -> None:
    trusted = {**RULES, "trusted_to_block": "on"}
    owner.post("/banks/ours/rules", trusted)
    before = find_bank("ours").trusted_at
    owner.post("/banks/ours/rules", {**trusted, "max_distance": "10"})
    assert (find_bank("ours").trusted_at, find_bank("ours").max_distance) == (before, 10)
    events = Row.objects.count()
    owner.post("/banks/ours/rules", {**trusted, "max_distance": "10"})
    assert Row.objects.count() == events


def test_a_list_from_outside_holds(owner: Browser) -> None:
    owner.post("/new-bank", {"name": "forum", "kind": "listed", "listed_by": "The forum", "default_action": ""})
    assert find_bank("forum").default_action == "hold"


def test_a_bank_that_a_rule_names_stays(owner: Browser) -> None:
    for path in ("/banks/test-card/rename", "/banks/test-card/retire"):
        shown = owner.get(path).text
        assert "/policy/rules/test-card" in shown
        answer = owner.post(path, {"name": "another"})
        assert answer.status_code == 422
    assert find_bank("test-card").retired_at is None


def test_a_bank_with_bad_fields_is_not_made(owner: Browser, bank: Bank) -> None:
    good = {"name": "new", "kind": "listed", "listed_by": "", "default_action": "", "labels": ""}
    for field, value in (
        ("name", ""),
        ("name", "Our list"),
        ("name", "ours"),
        ("name", HOSTILE),
        ("name", "a\0"),
        ("name", "x" * 64),
        ("kind", "safe"),
        ("kind", "no_look"),
        ("listed_by", "x" * 201),
        ("default_action", "delete"),
        ("labels", "Not A Label!"),
        ("labels", " ".join(f"l{n}" for n in range(40))),
        ("labels", "x" * 9_000),
        ("labels", "csam"),
        ("reporting_duty", "x" * 2_001),
    ):
        answer = owner.post("/new-bank", {**good, field: value})
        assert answer.status_code == 422, (field, value, answer.text)
        wrong = "reporting_duty" if value in {"no_look", "csam"} else field
        assert f'id="id_{wrong}_error"' in answer.text, (field, value, answer.text)
        assert HOSTILE not in answer.text
    assert Bank.objects.count() == 2


def test_rules_with_bad_fields_change_nothing(owner: Browser, bank: Bank) -> None:
    for field, value in (
        ("max_distance", "65"),
        ("max_distance", "-1"),
        ("max_distance", ""),
        ("max_distance", "9" * 300),
        ("default_action", ""),
        ("default_action", HOSTILE),
        ("confirmations_to_block", "0"),
        ("confirmations_to_block", "1001"),
        ("labels", "ncii"),
    ):
        answer = owner.post("/banks/ours/rules", {**RULES, field: value})
        assert answer.status_code == 422, (field, value)
        assert HOSTILE not in answer.text
    found = find_bank("ours")
    assert (found.max_distance, found.kind, found.labels) == (31, "listed", [])


def test_hashes_are_added_in_the_persons_name(moderator: Browser, bank: Bank) -> None:
    form = {"type": "sha256", "values": f"{sha256(1)}\n\n {sha256(2).upper()}\n", "labels": "tvec", "source": "A forum"}
    answer = moderator.post("/banks/ours/add", {**form, "note": HOSTILE})
    assert (answer.status_code, answer.headers.get("location")) == (302, "/banks/ours"), answer.text
    rows = list(ListedSignal.objects.filter(bank=bank))
    assert sorted(row.value for row in rows) == sorted([sha256(1), sha256(2)])
    assert {row.confirmed_by[0]["by"] for row in rows} == {moderator.person.id}
    shown = moderator.get("/banks/ours").text
    assert "Listed and confirmed by you: 2." in shown
    assert "A forum" in shown
    assert HOSTILE not in shown
    again = moderator.post("/banks/ours/add", {"type": "sha256", "values": sha256(1)})
    assert again.headers["location"].startswith("/banks/ours/signals/sig_")
    assert "Listed already" in moderator.get(again.headers["location"]).text


def test_bad_hashes_are_told_one_by_one(moderator: Browser, bank: Bank) -> None:
    values = f"{sha256(1)}\nabc\n{HOSTILE}"
    answer = moderator.post("/banks/ours/add", {"type": "sha256", "values": values})
    assert answer.status_code == 422
    assert "Listed and confirmed by you: 1." in answer.text
    assert "expected 64 hexadecimal characters, got 3" in answer.text
    assert HOSTILE not in answer.text
    assert find_bank("ours").active_signals == 1


def test_forms_that_cannot_be_read_list_nothing(moderator: Browser, bank: Bank) -> None:
    good = {"type": "pdq", "values": "f" * 64}
    for field, value in (
        ("type", ""),
        ("type", "photodna"),
        ("values", ""),
        ("values", " \n "),
        ("values", "x\n" * 501),
        ("values", "x" * 600_000),
        ("quality", "101"),
        ("quality", "good"),
        ("labels", "Not A Label!"),
        ("labels", "csam"),
        ("source", "x" * 201),
        ("note", "x" * 2_001),
    ):
        answer = moderator.post("/banks/ours/add", {**good, field: value})
        assert answer.status_code == 422, (field, value)
    assert moderator.post("/banks/ours/add", {"type": "url", "values": "https://a.example", "quality": "3"}).status_code
    assert not ListedSignal.objects.filter(bank=bank).exists()


def test_a_poor_hash_needs_a_yes(moderator: Browser, bank: Bank) -> None:
    poor = {"type": "pdq", "values": "f" * 64, "quality": "12"}
    answer = moderator.post("/banks/ours/add", poor)
    assert answer.status_code == 422
    assert "so little detail" in answer.text
    assert "--accept" not in answer.text
    assert not ListedSignal.objects.filter(bank=bank).exists()
    assert moderator.post("/banks/ours/add", {**poor, "accept_low_quality": "on"}).status_code == 302
    assert ListedSignal.objects.get(bank=bank).quality == 12


def test_a_picture_is_listed_by_its_hashes_and_not_kept(
    sqlite_console: Console, moderator: Browser, bank: Bank
) -> None:
    hostile_name = '"><img src=x onerror=alert(1)>.jpg'
    answer = moderator.post(
        "/banks/ours/add-file", {"labels": "tvec"}, files={"file": (hostile_name, picture(1), "image/jpeg")}
    )
    assert answer.headers.get("location") == "/banks/ours", answer.text
    rows = {row.type: row for row in ListedSignal.objects.filter(bank=bank)}
    assert set(rows) == {"pdq", "sha256"}
    assert rows["sha256"].value == hashlib.sha256(picture(1)).hexdigest()
    shown = moderator.get("/banks/ours").text
    assert f"Quality of the PDQ hash: {rows['pdq'].quality} of 100." in shown
    assert "onerror" not in shown
    kept = [path.read_bytes() for path in sqlite_console.settings.data_dir.rglob("*") if path.is_file()]
    assert not any(picture(1)[:200] in content for content in kept)


def test_files_that_give_nothing_are_refused(moderator: Browser, bank: Bank) -> None:
    flat = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(flat, "PNG")
    for content, said in (
        (b"", "empty"),
        (picture(1)[:300], "List only its exact bytes"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "List only its exact bytes"),
        (flat.getvalue(), "so little detail"),
    ):
        answer = moderator.post("/banks/ours/add-file", {}, files={"file": ("a.png", content, "image/png")})
        assert answer.status_code == 422, content[:20]
        assert said in answer.text, (content[:20], answer.text)
    assert moderator.post("/banks/ours/add-file", {"file": "no file"}).status_code == 422
    # Of the flat picture the exact hash is good.
    assert [row.type for row in ListedSignal.objects.filter(bank=bank)] == ["sha256"]
    broken = {"file": ("a.png", picture(2)[:300], "image/png")}
    assert moderator.post("/banks/ours/add-file", {"exact_only": "on"}, files=broken).status_code == 302
    assert ListedSignal.objects.filter(bank=bank).count() == 2


def test_a_list_is_imported_with_a_report_line_by_line(sqlite_console: Console, moderator: Browser, bank: Bank) -> None:
    good = "".join(f"sha256,{sha256(number)}\n" for number in range(40))
    bad = "".join(f"sha256,{HOSTILE}\n" for _ in range(60))
    report = moderator.post(
        "/banks/ours/import", {"source": "March"}, files={"file": ("l.csv", f"type,value\n{good}{bad}", "text/csv")}
    )
    assert report.status_code == 200, report.text
    assert "60 lines were refused" in report.text
    assert report.text.count('<th scope="row"') == 50
    assert HOSTILE not in report.text
    assert find_bank("ours").active_signals == 40
    assert newest_event().name == "matching:signals:imported"
    assert newest_event().by == moderator.person.id

    again = moderator.post(
        "/banks/ours/import", {"source": "March"}, files={"file": ("l.csv", f"type,value\n{good}", "text/csv")}
    )
    one = Import.objects.order_by("-id")[0]
    assert again.headers["location"] == f"/banks/ours/imports/{one.id}"
    first = Import.objects.order_by("id")[0]
    shown = moderator.get(f"/banks/ours/imports/{first.id}").text
    assert shown.count("/signals/sig_") == PAGE
    assert "March" in moderator.get("/banks/ours").text
    assert not list(sqlite_console.settings.data_dir.glob("tmp*"))
    poor = {"file": ("l.csv", f"type,value,quality\npdq,{sha256(1)},10\n", "text/csv")}
    refused = moderator.post("/banks/ours/import", {}, files=poor)
    assert "No line could be imported" in refused.text
    assert "so little detail" in refused.text
    assert "--accept" not in refused.text
    assert moderator.post("/banks/ours/import", {"accept_low_quality": "on"}, files=poor).status_code == 302


def test_json_lines_are_a_list_too(moderator: Browser, bank: Bank) -> None:
    lines = f'{{"type": "sha256", "value": "{sha256(1)}"}}\n'
    answer = moderator.post("/banks/ours/import", {}, files={"file": ("l.jsonl", lines, "application/json")})
    assert answer.status_code == 302, answer.text
    assert find_bank("ours").active_signals == 1


def test_files_that_are_no_list_import_nothing(moderator: Browser, bank: Bank) -> None:
    for content, said in (
        (b"", "empty"),
        (b"type,value\n", "no signals"),
        (b"\x1f\x8b\x08", "gzip"),
        (picture(1), "UTF-8"),
        (b"a,b\n1,2\n", "does not name the columns"),
    ):
        answer = moderator.post("/banks/ours/import", {}, files={"file": ("l.csv", content, "text/csv")})
        assert answer.status_code == 422, content[:20]
        assert said in answer.text, (content[:20], answer.text)
    assert (
        moderator.post(
            "/banks/ours/import", {"labels": "!"}, files={"file": ("l", b"type,value\nmd5,x", "")}
        ).status_code
        == 422
    )
    assert not Import.objects.exclude(visible_at=None).exists()
    assert find_bank("ours").active_signals == 0


def test_a_signal_is_found_by_value_or_id(reader: Browser, bank: Bank) -> None:
    [signal_id] = _listed(bank, "x")
    add_signals("ours", [Signal(type="url", value="https://a.example/b")], by="per_x", now=system_clock())
    for sought in (sha256("x"), f" {sha256('x').upper()} ", signal_id):
        answer = reader.post("/banks/ours/find", {"sought": sought}, page="/banks/ours")
        assert answer.headers["location"] == f"/banks/ours/signals/{signal_id}"
    found = reader.post("/banks/ours/find", {"sought": "HTTPS://A.example/b"}, page="/banks/ours")
    assert "https://a.example/b" in reader.get(found.headers["location"]).text
    # One value, two types: both are shown.
    add_signals("ours", [Signal(type="pdq", value=sha256("x"))], by="per_x", now=system_clock())
    both = reader.post("/banks/ours/find", {"sought": sha256("x")}, page="/banks/ours")
    assert both.status_code == 200
    assert ">Found<" in both.text
    unknown = reader.post("/banks/ours/find", {"sought": sha256("y")}, page="/banks/ours")
    assert "It is not in this bank" in unknown.text
    for sought in ("", HOSTILE, "sig_x", "sig_" + "0" * 32, "a\0b", "x" * 9_000, "zz"):
        answer = reader.post("/banks/ours/find", {"sought": sought}, page="/banks/ours")
        assert answer.status_code == 422, sought
        assert HOSTILE not in answer.text


def test_what_people_do_with_a_signal_is_on_record(moderator: Browser, bank: Bank) -> None:
    [signal_id] = _listed(bank, "x")
    path, change = f"/banks/ours/signals/{signal_id}", f"/banks/ours/signals/{signal_id}/change"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()

    def act(action: str, **more: str) -> str:
        answer = moderator.post(change, {"action": action, **more}, page=path)
        assert answer.headers.get("location") == path, answer.text
        assert newest_event().by == moderator.person.id
        return newest_event().name

    assert act("confirm") == "matching:signal:confirmed"
    assert "You have confirmed it" in moderator.get(path).text
    assert act("dispute") == "matching:signal:disputed"
    assert _row(signal_id).disputed
    assert ">disputed<" in moderator.get(path).text
    assert act("settle") == "matching:signal:disputed"
    assert not _row(signal_id).disputed
    assert act("mute", until=tomorrow.isoformat()) == "matching:signal:muted"
    assert _row(signal_id).muted_until == datetime.combine(tomorrow, datetime.min.time(), UTC) + timedelta(days=1)
    assert ">muted<" in moderator.get(path).text
    assert act("unmute") == "matching:signal:muted"
    assert _row(signal_id).muted_until is None
    assert act("withdraw", reason="not_a_match") == "matching:signal:withdrawn"
    assert _row(signal_id).status == SignalStatus.WITHDRAWN
    assert find_bank("ours").active_signals == 0
    refused = moderator.post(change, {"action": "confirm"}, page="/banks/ours")
    assert refused.status_code == 409
    assert "was withdrawn" in refused.text


def test_bad_actions_change_nothing(moderator: Browser, bank: Bank) -> None:
    [signal_id] = _listed(bank, "x")
    path = f"/banks/ours/signals/{signal_id}"
    events = Row.objects.count()
    for form, status in (
        ({"action": ""}, 404),
        ({"action": "delete"}, 404),
        ({"action": "mute"}, 422),
        ({"action": "mute", "until": "yesterday"}, 422),
        ({"action": "mute", "until": "2020-01-01"}, 422),
        ({"action": "mute", "until": "9999-12-31"}, 422),
        ({"action": "withdraw"}, 422),
        ({"action": "withdraw", "reason": "A whole sentence"}, 422),
    ):
        answer = moderator.post(f"{path}/change", form, page=path)
        assert answer.status_code == status, form
    assert moderator.get(f"{path}/change").status_code == 405
    assert Row.objects.count() == events


def test_a_no_look_bank_shows_nothing(moderator: Browser, owner: Browser) -> None:
    duty = "a made-up duty"
    form = {"name": "unseen", "kind": "no_look", "default_action": "", "reporting_duty": duty}
    assert owner.post("/new-bank", form).status_code == 302
    value = "https://unseen.example/page"
    answer = moderator.post("/banks/unseen/add", {"type": "url", "values": value, "source": "made-up source"})
    path = answer.headers["location"]
    for shown in (moderator.get(path).text, moderator.get("/banks/unseen").text):
        assert value not in shown
        assert "made-up source" not in shown
    assert "shows nothing of what it holds" in moderator.get("/banks/unseen").text
    found = moderator.post("/banks/unseen/find", {"sought": value}, page="/banks/unseen")
    assert found.headers["location"] == path
    for address in ("/banks/unseen/add-file",):
        assert moderator.get(address).status_code == 404
        files = {"file": ("a.jpg", picture(1), "image/jpeg")}
        assert moderator.post(address, {}, files=files, page="/banks").status_code == 404
    assert moderator.post(f"{path}/change", {"action": "confirm"}, page=path).status_code == 404
    assert moderator.post(f"{path}/change", {"action": "withdraw", "reason": "mistake"}, page=path).status_code == 302
    listed = f"type,value\nsha256,{sha256(1)}\n"
    done = moderator.post("/banks/unseen/import", {}, files={"file": ("l.csv", listed, "text/csv")})
    assert sha256(1)[:20] not in moderator.get(done.headers["location"]).text


def test_a_bank_of_another_name_shows_no_signal_of_this_one(reader: Browser, bank: Bank) -> None:
    create_bank("other", by="per_x", now=system_clock())
    [signal_id] = _listed(bank, "x")
    assert reader.get(f"/banks/ours/signals/{signal_id}").status_code == 200
    assert reader.get(f"/banks/other/signals/{signal_id}").status_code == 404


def test_what_is_not_there_is_not_found(reader: Browser, bank: Bank) -> None:
    for path in (
        "/banks/none",
        "/banks/%00",
        "/banks/%3Cscript%3E",
        "/banks/" + "x" * 300,
        "/banks/ours/signals/sig_x",
        "/banks/ours/signals/sig_01933b6e-0000-7000-8000-000000000000",
        "/banks/ours/imports/imp_x",
        "/banks/ours/imports/%00",
        "/banks/ours?before=nonsense",
        "/banks/ours?imports=%00",
    ):
        assert reader.get(path).status_code == 404, path
    assert reader.get("/banks?after=%00").status_code == 200
    assert reader.get("/banks?after=%3Cscript%3E").status_code == 200


def test_everybody_sees_and_only_some_change(sqlite_console: Console, bank: Bank) -> None:
    [signal_id] = _listed(bank, "x")
    events = Row.objects.count()
    everybody = ("/banks", "/banks/ours", f"/banks/ours/signals/{signal_id}")
    who_lists = ("/banks/ours/add", "/banks/ours/add-file", "/banks/ours/import")
    who_configures = ("/new-bank", "/banks/ours/rules", "/banks/ours/rename", "/banks/ours/retire")
    change = f"/banks/ours/signals/{signal_id}/change"
    roles = {
        Role.OWNER: everybody + who_lists + who_configures,
        Role.MODERATOR: everybody + who_lists,
        Role.READER: everybody,
    }
    for role, allowed in roles.items():
        browser = sqlite_console.browser(role)
        for path in everybody + who_lists + who_configures:
            assert browser.get(path).status_code == (200 if path in allowed else 404), (role, path)
            if path not in allowed:
                assert browser.post(path, {"name": "x"}, page="/banks").status_code == 404, (role, path)
        shown = browser.get("/banks/ours").text
        assert ("/banks/ours/retire" in shown) == (role is Role.OWNER)
        assert ("/banks/ours/add" in shown) == (role is not Role.READER)
    assert sqlite_console.browser(Role.READER).post(change, {"action": "confirm"}, page="/banks").status_code == 404
    assert "What you can do" not in sqlite_console.browser(Role.READER).get(everybody[2]).text
    stranger = sqlite_console.browser(None)
    for path in (*everybody, *who_lists, *who_configures, change, "/banks/ours/find"):
        assert stranger.get(path).headers["location"].startswith("/account/login/"), path
    assert Row.objects.count() == events


def test_forms_without_their_token_are_refused(owner: Browser, bank: Bank) -> None:
    [signal_id] = _listed(bank, "x")
    events = Row.objects.count()
    for path in (
        "/new-bank",
        "/banks/ours/rules",
        "/banks/ours/rename",
        "/banks/ours/retire",
        "/banks/ours/add",
        "/banks/ours/add-file",
        "/banks/ours/import",
        "/banks/ours/find",
        f"/banks/ours/signals/{signal_id}/change",
    ):
        assert owner.request("POST", path, data={"action": "confirm", "name": "x"}).status_code == 403, path
    assert Row.objects.count() == events


@pytest.fixture
def plenty(console: Console, tmp_path: Path) -> Console:
    """Thousands of signals: of an old bank a few, then imported lists and hand-made listings of another."""
    now = system_clock()
    create_bank("small", by="per_x", now=now)
    add_signals("small", [Signal(type="sha256", value=sha256("first"))], by="per_x", now=now)
    create_bank("large", by="per_x", now=now, listed_by="Example")
    for name in range(3):
        path = tmp_path / f"{name}.csv"
        path.write_text("type,value\n" + "".join(f"sha256,{sha256((name, n))}\n" for n in range(1_500)))
        import_list("large", path, by="per_x", clock=system_clock)
    many = [Signal(type="sha256", value=sha256(("hand", n))) for n in range(1_500)]
    add_signals(
        "large", many, by="per_x", now=system_clock(), note="n" * 2_000, labels=[f"label-{n}" for n in range(32)]
    )
    return console


def test_every_page_is_lean_in_a_large_bank(plenty: Console) -> None:
    moderator = plenty.browser(Role.MODERATOR)
    one = Import.objects.order_by("id")[0]
    [small] = ListedSignal.objects.filter(bank=find_bank("small"))
    for path in (
        "/banks",
        "/banks/large",
        "/banks/small",
        f"/banks/large/imports/{one.id}",
        f"/banks/small/signals/{small.signal_id}",
        "/banks/large/add",
        "/banks/large/import",
    ):
        lean = assert_lean(lambda path=path: moderator.get(path))  # type: ignore[misc]
        assert lean.answer.status_code == 200, path
        assert len(lean.answer.content) < 33_000, path
    form = {"sought": sha256((1, 700))}
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', moderator.get("/banks/large").text)
    assert token
    form["csrfmiddlewaretoken"] = token[1]
    found = assert_lean(lambda: moderator.request("POST", "/banks/large/find", data=form))
    assert found.answer.status_code == 302


def test_pages_go_on_to_the_last_signal(plenty: Console) -> None:
    reader = plenty.browser(Role.READER)
    one = Import.objects.order_by("-id")[0]
    for start, wanted in (("/banks/large", 1_500), (f"/banks/large/imports/{one.id}", 1_500)):
        seen: list[str] = []
        path, pages = start, 0
        while path and pages < 5:
            text = reader.get(path).text
            seen += re.findall(r"/signals/(sig_[^\"]+)\"", text)
            following = re.search(r"\?before=(sig_[0-9a-f-]+)", text)
            path, pages = (f"{start}?before={following[1]}" if following else ""), pages + 1
        assert len(seen) == len(set(seen)) == 5 * PAGE
        assert seen == sorted(seen, reverse=True)
        oldest = ListedSignal.objects.filter(bank=find_bank("large")).order_by("id")
        by_people = oldest.filter(imported_in=None) if start == "/banks/large" else oldest.filter(imported_in=one)
        assert by_people.count() == wanted
        last = by_people[10].signal_id
        rest = reader.get(f"{start}?before={last}").text
        assert len(re.findall(r"/signals/sig_", rest)) == 10
        assert "?before=" not in rest


def test_a_list_that_would_take_too_long_is_for_the_machine(moderator: Browser, bank: Bank) -> None:
    before = Row.objects.count()
    large = b"type,value\n" + b"x" * LARGEST_LIST_BYTES
    answer = moderator.post("/banks/ours/import", {}, files={"file": ("l.csv", large, "text/csv")})
    assert answer.status_code == 422
    assert "This list has 16.0\xa0MB. Up to 16.0\xa0MB are imported here" in answer.text
    assert "seawall bank import ours" in answer.text
    assert Row.objects.count() == before
    assert not Import.objects.exists()
