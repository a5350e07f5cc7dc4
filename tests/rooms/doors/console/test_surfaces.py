import msgspec

from seawall.members.roles import Role
from seawall.record import journal
from seawall.record.clock import system_clock
from seawall.record.events import SurfaceSaved
from seawall.record.models import Event
from seawall.screening.model import Audience, FailMode, HoldExpiry, Surface
from seawall.screening.policies import list_surfaces, save_surface
from tests.rooms.doors.console.browsing import Browser, Console
from tests.rooms.doors.scene import surface

FORM = {
    "name": "comments",
    "audience": "group",
    "fail_mode": "closed",
    "hold_hours": "12",
    "hold_expiry": "release",
    "appeal_days": "30",
    "store_unmatched": "no",
    "private_basis": "",
}


def test_every_surface_is_shown_with_what_follows_from_it(owner: Browser) -> None:
    shown = owner.get("/surfaces")
    assert shown.status_code == 200
    assert ">posts<" in shown.text
    assert "24 hours" in shown.text
    assert "a person has to look at each" in shown.text


def test_a_surface_is_added_and_put_on_record(sqlite_console: Console, owner: Browser) -> None:
    answer = owner.post("/new-surface", FORM)
    assert (answer.status_code, answer.headers.get("location")) == (302, "/surfaces"), answer.text
    made = next(one for one in list_surfaces() if one.name == "comments")
    assert made == Surface(
        name="comments",
        audience=Audience.GROUP,
        fail_mode=FailMode.CLOSED,
        hold_expiry=HoldExpiry.RELEASE,
        hold_hours=12,
        appeal_days=30,
        store_unmatched=False,
    )
    event = journal.read(Event.objects.order_by("-serial")[0])
    assert isinstance(event, SurfaceSaved)
    assert (event.by, event.surface) == (owner.person.id, "comments")
    assert "Surface comments is saved" in owner.get("/surfaces").text
    assert "is saved" not in owner.get("/surfaces").text


def test_nothing_is_chosen_for_a_new_surface(owner: Browser) -> None:
    shown = owner.get("/new-surface").text
    assert "checked" not in shown
    answer = owner.post("/new-surface", {"name": "comments"})
    assert answer.status_code == 422
    for field in ("audience", "fail_mode", "hold_hours", "hold_expiry", "store_unmatched", "appeal_days"):
        assert f'id="id_{field}_error"' in answer.text, field
    assert len(list_surfaces()) == 1


def test_a_surface_is_changed(owner: Browser) -> None:
    shown = owner.get("/surfaces/posts").text
    assert 'value="hold"' in shown
    assert 'name="name"' not in shown
    answer = owner.post("/surfaces/posts", {**FORM, "name": "another", "hold_hours": "720"})
    assert answer.status_code == 302, answer.text
    [changed] = list_surfaces()
    assert (changed.name, changed.hold_hours, changed.fail_mode) == ("posts", 720, FailMode.CLOSED)


def test_private_messages_need_a_basis(owner: Browser) -> None:
    private = {**FORM, "audience": "private", "private_basis": "  "}
    answer = owner.post("/new-surface", private)
    assert answer.status_code == 422
    assert 'id="id_private_basis_error"' in answer.text
    assert owner.post("/new-surface", {**private, "private_basis": "the recipient reports it"}).status_code == 302
    assert list_surfaces()[0].private_basis == "the recipient reports it"
    # What is not private keeps no basis that nobody would look for.
    assert owner.post("/surfaces/comments", {**FORM, "private_basis": "left over"}).status_code == 302
    assert list_surfaces()[0].private_basis == ""


BAD: tuple[tuple[str, str], ...] = (
    ("name", ""),
    ("name", "Posts and more"),
    ("name", "posts"),
    ("name", "x" * 64),
    ("name", "a\0b"),
    ("name", "<script>alert(1)</script>"),
    ("audience", "everybody"),
    ("fail_mode", "<b>"),
    ("hold_hours", "0"),
    ("hold_hours", "721"),
    ("hold_hours", "9" * 400),
    ("hold_hours", "a day"),
    ("appeal_days", "-1"),
    ("appeal_days", "3651"),
    ("store_unmatched", ""),
    ("private_basis", "x" * 2_001),
)


def test_bad_input_is_refused_beside_its_field(owner: Browser) -> None:
    for field, value in BAD:
        answer = owner.post("/new-surface", {**FORM, field: value})
        assert answer.status_code == 422, (field, value, answer.text)
        assert f'id="id_{field}_error"' in answer.text
        assert "autofocus" in answer.text
        assert "<script>alert" not in answer.text
    assert [one.name for one in list_surfaces()] == ["posts"]


def test_only_who_configures_comes_in(sqlite_console: Console) -> None:
    for path in ("/surfaces", "/new-surface", "/surfaces/posts"):
        for role in (Role.MODERATOR, Role.READER):
            browser = sqlite_console.browser(role)
            assert browser.get(path).status_code == 404
            assert browser.post(path, FORM, page="/").status_code == 404
        stranger = sqlite_console.browser(None)
        assert stranger.get(path).headers["location"].startswith("/account/login/")
    assert len(list_surfaces()) == 1


def test_a_form_without_its_token_is_refused(owner: Browser) -> None:
    assert owner.request("POST", "/new-surface", data=FORM).status_code == 403
    assert len(list_surfaces()) == 1


def test_what_is_not_there_is_not_found(owner: Browser) -> None:
    for name in ("none", "%00", "x" * 300, "%3Cscript%3E"):
        assert owner.get(f"/surfaces/{name}").status_code == 404, name


def test_a_long_list_goes_on_and_each_page_stays_small(owner: Browser) -> None:
    for number in range(40):
        save_surface(surface(f"s{number:02}", private_basis="x" * 50), by="per_x", now=system_clock())
    seen, path = [], "/surfaces"
    while path:
        text = owner.get(path).text
        assert len(text) < 33_000
        seen += [name for name in (f"s{number:02}" for number in range(40)) if f'id="surface-{name}"' in text]
        path = "/surfaces?after=" + text.split("?after=")[1].split('"')[0] if "?after=" in text else ""
    assert seen == [f"s{number:02}" for number in range(40)]


def test_no_surface_yet_says_what_to_do(owner: Browser) -> None:
    from seawall.screening.models import SurfaceRow

    SurfaceRow.objects.all().delete()
    assert "No surface yet." in owner.get("/surfaces").text
    assert msgspec.json.encode(list_surfaces()) == b"[]"
