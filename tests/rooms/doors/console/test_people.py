import re
from collections.abc import Iterator

import pytest
from django.core.cache import cache

from seawall.members.accounts import open_link
from seawall.members.models import Account, Person, SetupLink
from seawall.members.roles import Role
from seawall.record.clock import system_clock
from seawall.record.models import Event
from tests.plans import assert_lean
from tests.rooms.doors.console.browsing import Browser, Console


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def person(role: Role) -> Person:
    return Person.objects.get(role=role)


def link_on(page: str) -> str:
    found = re.search(r'<code id="link">http://localhost:8080(/setup/[\w-]{43})</code>', page)
    assert found, page
    return found[1]


def test_the_owner_sees_everyone(console: Console) -> None:
    page = console.browser(Role.OWNER).get("/people").text
    for name in ("Owner", "Mo Derator", "Rea Der"):
        assert name in page
    assert "not yet" in page
    assert page.count('data-label="Second factor"') == 3


def test_an_invited_person_gets_a_link_that_is_shown_once(console: Console) -> None:
    owner = console.browser(Role.OWNER)
    answer = owner.post("/people", {"name": "New <b>Comer</b>", "role": "reader"})
    assert answer.status_code == 302
    shown = owner.get(answer.headers["location"]).text
    link = link_on(shown)
    assert "New &lt;b&gt;Comer&lt;/b&gt;" in shown
    assert "/setup/" not in owner.get(answer.headers["location"]).text
    opened = open_link(link.removeprefix("/setup/"), system_clock())
    assert (opened.person.name, opened.person.role) == ("New <b>Comer</b>", "reader")
    names = list(Event.objects.order_by("-serial").values_list("name", flat=True)[:2])
    assert names == ["members:setup_link:made", "members:person:added"]


def test_another_session_of_the_owner_does_not_see_the_link(sqlite_console: Console) -> None:
    here, there = sqlite_console.browser(Role.OWNER), sqlite_console.browser(Role.OWNER)
    where = here.post("/people", {"name": "New", "role": "reader"}).headers["location"]
    assert "shown this once" not in there.get(where).text
    link_on(here.get(where).text)


def test_nobody_is_added_with_bad_input(owner: Browser) -> None:
    for name, role in (
        ("", "reader"),
        ("x" * 5_000, "reader"),
        ("New", ""),
        ("New", "owner"),
        ("New", "root"),
        ("\u202e", "reader"),
    ):
        answer = owner.post("/people", {"name": name, "role": role})
        assert answer.status_code == 200, name[:20]
        assert 'role="alert"' in answer.text
    assert Person.objects.count() == 3


def test_a_role_counts_from_the_next_click(sqlite_console: Console, owner: Browser, moderator: Browser) -> None:
    about = person(Role.MODERATOR)
    assert owner.post(f"/people/{about.id}", {"role": "reader"}).status_code == 302
    assert "Saved" in owner.get(f"/people/{about.id}").text
    assert Person.objects.get(id=about.id).role == "reader"
    assert Event.objects.order_by("-serial")[0].name == "members:person:changed"
    assert owner.post(f"/people/{about.id}", {"role": "owner"}).status_code == 200
    assert Person.objects.get(id=about.id).role == "reader"


def test_a_new_link_for_who_lost_the_password(sqlite_console: Console, owner: Browser, reader: Browser) -> None:
    about = person(Role.READER)
    where = owner.post(f"/people/{about.id}/link", page=f"/people/{about.id}").headers["location"]
    link = link_on(owner.get(where).text)
    newcomer = sqlite_console.browser(None)
    assert "A new password" in newcomer.get(link).text
    form = {"name": "Rea Der", "email": "reader@example.org", "password": "the tenth boat sails home"}
    assert newcomer.post(link, form).headers["location"] == "/me"
    assert "Welcome" in newcomer.get("/me").text
    assert newcomer.get("/").status_code == 200
    assert reader.get("/").status_code == 302, "sessions of the old password ended"
    assert newcomer.get(link).status_code == 404


def test_who_is_removed_is_signed_out(sqlite_console: Console, owner: Browser, moderator: Browser) -> None:
    about = person(Role.MODERATOR)
    assert moderator.get("/").status_code == 200
    assert "Remove Mo Derator?" in owner.get(f"/people/{about.id}/remove").text
    assert Person.objects.get(id=about.id).left_at is None, "a GET removes nobody"
    assert owner.post(f"/people/{about.id}/remove").headers["location"] == "/people"
    assert moderator.get("/").headers["location"].startswith("/account/login/")
    page = owner.get("/people").text
    assert "Mo Derator cannot sign in any more." in page
    assert page.count("Mo Derator") == 1
    assert owner.get(f"/people/{about.id}").status_code == 404
    assert not Account.objects.filter(email="moderator@example.org").exists()


def test_the_owner_is_changed_nowhere_here(owner: Browser) -> None:
    about = person(Role.OWNER)
    assert owner.get(f"/people/{about.id}").headers["location"] == "/me"
    assert owner.get(f"/people/{about.id}/remove").status_code == 404
    for path in (f"/people/{about.id}/remove", f"/people/{about.id}/link"):
        assert owner.post(path, page="/people").status_code == 404
    assert not SetupLink.objects.filter(person=about, used_at=None).exists()


def test_unknown_people_are_not_there(console: Console) -> None:
    owner = console.browser(Role.OWNER)
    for unknown in ("per_x", "x" * 3_000, "%00", "..%2f..", "%3Cscript%3E", "' OR 1=1"):
        answer = owner.get(f"/people/{unknown}")
        assert answer.status_code == 404, unknown
        assert "<script>" not in answer.text.partition("<body")[2]
        for form in ("", "/link", "/remove"):
            assert owner.post(f"/people/{unknown}{form}", {"role": "reader"}, page="/people").status_code == 404


def test_only_the_owner_comes_here(moderator: Browser, reader: Browser, stranger: Browser) -> None:
    about = person(Role.READER)
    for path in ("/people", f"/people/{about.id}", f"/people/{about.id}/remove", f"/people/{about.id}/link"):
        for browser in (moderator, reader):
            assert browser.get(path).status_code == 404
            assert browser.post(path, {"name": "Eve", "role": "moderator"}, page="/me").status_code == 404
        assert stranger.get(path).headers["location"].startswith("/account/login/")
    assert Person.objects.filter(left_at=None).count() == 3


def test_a_link_is_made_by_post_and_with_a_token_only(owner: Browser) -> None:
    about = person(Role.READER)
    assert owner.get(f"/people/{about.id}/link").status_code == 405
    for path in ("/people", f"/people/{about.id}", f"/people/{about.id}/link", f"/people/{about.id}/remove"):
        assert owner.request("POST", path, data={"name": "Eve", "role": "reader"}).status_code == 403
    assert Person.objects.filter(left_at=None).count() == 3


def test_the_page_asks_the_database_as_often_for_many_people(sqlite_console: Console, owner: Browser) -> None:
    few = assert_lean(lambda: owner.get("/people"))
    now = system_clock()
    Person.objects.bulk_create(
        Person(id=f"per_{number}", name=f"Person {number}", role="reader", created_at=now) for number in range(200)
    )
    many = assert_lean(lambda: owner.get("/people"))
    assert "Person 199" in many.answer.text
    assert len(many.queries) == len(few.queries)
