from seawall.members.models import Instance
from seawall.members.people import remove_person
from seawall.members.roles import Role
from seawall.record.clock import system_clock
from tests.rooms.doors.console.browsing import Browser, Console


def test_the_owner_sees_the_home_page(owner: Browser) -> None:
    response = owner.get("/")
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    assert "Home" in response.text


def test_a_stranger_is_sent_to_sign_in_and_back(stranger: Browser) -> None:
    response = stranger.get("/")
    assert (response.status_code, response.headers["location"]) == (302, "/account/login/?next=/")
    assert response.text == ""


def test_who_left_is_a_stranger(console: Console) -> None:
    moderator = console.browser(Role.MODERATOR)
    assert moderator.get("/").status_code == 200
    remove_person(moderator.person.id, by="per_x", now=system_clock())
    assert moderator.get("/").status_code == 302


def test_until_the_wizard_is_done_it_is_where_its_owner_is(
    sqlite_console: Console, owner: Browser, reader: Browser
) -> None:
    Instance.objects.update(next_step="surface")
    assert owner.get("/").headers["location"] == "/setup"
    assert reader.get("/").status_code == 200


#: Pages that take no form.
SHOWN_ONLY = ("/", "/sources", "/log", "/health", "/health/examined", "/holds")


def test_a_wrong_method_tells_a_stranger_nothing(stranger: Browser, reader: Browser) -> None:
    """Who may not see a page does not learn either what it would take."""
    for path in SHOWN_ONLY:
        answer = stranger.post(path, page="/account/login/")
        assert (answer.status_code, answer.headers.get("location")) == (302, "/account/login/?next=/"), path
        assert reader.post(path, page="/me").status_code == 405, path
    assert stranger.request("HEAD", "/try").headers["location"] == "/account/login/?next=/try"


def test_whoever_asks_for_the_head_of_a_page_gets_it(reader: Browser) -> None:
    for path in (*SHOWN_ONLY, "/try", "/banks", "/me", "/log/verified"):
        answer = reader.request("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b""), path
