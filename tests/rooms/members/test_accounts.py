from datetime import UTC, datetime, timedelta

import pytest
from allauth.account.utils import user_pk_to_url_str
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

from seawall.members.accounts import (
    INVITATION_VALID,
    OWNER_LINK_VALID,
    STEPS,
    LinkRefused,
    finish_setup,
    instance,
    is_set_up,
    may_take,
    name_instance,
    new_setup_link,
    open_link,
    role_of,
    set_account,
    set_password,
    step_taken,
    sweep,
)
from seawall.members.models import Account, Instance, Person, SetupLink
from seawall.members.people import BadPerson, add_person, ensure_owner, remove_person
from seawall.members.roles import Role
from seawall.members.sessions import end_sessions
from seawall.record.events import SignInChanged
from seawall.record.journal import read
from seawall.record.models import Event
from seawall.settings import Settings

NOW = datetime(2026, 11, 23, 20, 28, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PASSWORD = "nine green lanterns in a row"


def owner_and_link() -> tuple[Person, str]:
    owner = ensure_owner(NOW)
    return owner, new_setup_link(owner, by=owner.id, now=NOW)


def invited(name: str = "Mo Derator", role: Role = Role.MODERATOR) -> tuple[Person, str]:
    owner = ensure_owner(NOW)
    person = add_person(name=name, role=role, by=owner.id, now=NOW)
    return person, new_setup_link(person, by=owner.id, now=NOW)


def test_a_link_makes_the_owner_account_once(settings: Settings) -> None:
    owner, token = owner_and_link()
    assert not is_set_up()
    opened = open_link(token, NOW)
    assert (opened.person, opened.is_new) == (owner, True)
    assert open_link(token, NOW) == opened, "looking uses nothing up"
    account = set_account(token, email=" Ada@Example.ORG ", password=PASSWORD, name="Ada  Lovelace", now=NOW)
    assert account.email == "ada@example.org"
    assert account.check_password(PASSWORD)
    assert Person.objects.get().name == "Ada Lovelace"
    assert is_set_up()
    assert role_of(account) is Role.OWNER
    with pytest.raises(LinkRefused):
        set_account(token, email="eve@example.org", password=PASSWORD, now=NOW)
    with pytest.raises(LinkRefused):
        open_link(token, NOW)
    names = list(Event.objects.order_by("serial").values_list("name", flat=True))
    assert names == ["members:owner:created", "members:setup_link:made", "members:account:set"]


def test_a_link_lives_as_long_as_said_and_not_before_it_was_made(sqlite_settings: Settings) -> None:
    _, token = owner_and_link()
    open_link(token, NOW + OWNER_LINK_VALID - SECOND)
    for moment in (NOW + OWNER_LINK_VALID, NOW - SECOND):
        with pytest.raises(LinkRefused):
            open_link(token, moment)
    _, token = invited()
    open_link(token, NOW + INVITATION_VALID - SECOND)
    with pytest.raises(LinkRefused):
        open_link(token, NOW + INVITATION_VALID)


def test_a_new_link_ends_the_older_ones(sqlite_settings: Settings) -> None:
    owner, first = owner_and_link()
    second = new_setup_link(owner, by=owner.id, now=NOW)
    assert open_link(second, NOW).person == owner
    with pytest.raises(LinkRefused):
        open_link(first, NOW)


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 65, "x" * 100_000, "\0", "é\ud800", "../..", "' OR 1=1 --"])
def test_a_made_up_token_opens_nothing(sqlite_settings: Settings, token: str) -> None:
    owner_and_link()
    with pytest.raises(LinkRefused):
        open_link(token, NOW)


def test_the_token_is_not_in_the_database(sqlite_settings: Settings) -> None:
    _, token = owner_and_link()
    assert token not in repr(list(SetupLink.objects.values()))
    assert token not in repr([event.body for event in Event.objects.all()])


@pytest.mark.parametrize("email", ["", "ada", "ada@", "a b@example.org", "ada@example.org\nbcc: x", "a@" + "b" * 300])
def test_a_bad_address_uses_nothing_up(sqlite_settings: Settings, email: str) -> None:
    _, token = owner_and_link()
    with pytest.raises(BadPerson):
        set_account(token, email=email, password=PASSWORD, now=NOW)
    assert not Account.objects.exists()
    open_link(token, NOW)


def test_two_people_cannot_have_one_address(settings: Settings) -> None:
    _, token = owner_and_link()
    set_account(token, email="ada@example.org", password=PASSWORD, now=NOW)
    person, token = invited()
    with pytest.raises(BadPerson, match="another account"):
        set_account(token, email="ADA@example.org", password=PASSWORD, now=NOW)
    open_link(token, NOW)
    assert Person.objects.get(id=person.id).email == ""


def test_a_link_of_who_left_opens_nothing(sqlite_settings: Settings) -> None:
    person, token = invited()
    remove_person(person.id, by="per_x", now=NOW)
    with pytest.raises(LinkRefused):
        open_link(token, NOW)


def test_a_renewal_keeps_the_account_and_changes_its_hash(sqlite_settings: Settings) -> None:
    person, token = invited()
    before = set_account(token, email="mo@example.org", password=PASSWORD, now=NOW)
    token = new_setup_link(person, by="per_x", now=NOW)
    assert not open_link(token, NOW).is_new
    after = set_account(token, email="mo@example.org", password="another made-up sentence", now=NOW)
    assert after.pk == before.pk
    assert after.get_session_auth_hash() != before.get_session_auth_hash()
    assert Person.objects.get(id=person.id).name == "Mo Derator"


def test_the_steps_are_taken_in_order_and_may_be_redone(sqlite_settings: Settings) -> None:
    assert may_take("name")
    assert not may_take("surface")
    step_taken("surface")
    assert instance().next_step == "name", "a step that was not come to leads nowhere"
    step_taken("name")
    assert instance().next_step == "surface"
    step_taken("name")
    assert instance().next_step == "surface", "done again, it leads nowhere new"
    assert may_take("name")
    for step in STEPS[1:-1]:
        step_taken(step)
    assert instance().next_step == "done"
    assert not may_take("unknown")
    finish_setup(by="per_x", now=NOW)
    finish_setup(by="per_x", now=NOW + SECOND)
    assert instance().set_up_at == NOW
    assert all(may_take(step) for step in STEPS)
    step_taken("name")
    assert instance().next_step == "", "what is finished does not begin again"


@pytest.mark.parametrize("name", ["", "  ", "two\nlines" * 40, "x" * 101, "\u202eevil"])
def test_a_bad_name_of_the_installation_is_refused(sqlite_settings: Settings, name: str) -> None:
    with pytest.raises(BadPerson):
        name_instance(name, by="per_1", now=NOW)
    assert instance().name == ""


def test_the_installation_is_named(sqlite_settings: Settings) -> None:
    name_instance("  The   Quiet Harbour ", by="per_1", now=NOW)
    assert Instance.objects.get().name == "The Quiet Harbour"


def test_sessions_end_for_one_person_only(settings: Settings) -> None:
    _, token = owner_and_link()
    mine = set_account(token, email="ada@example.org", password=PASSWORD, now=NOW)
    _, token = invited()
    other = set_account(token, email="mo@example.org", password=PASSWORD, now=NOW)
    keys = {}
    for name, data in (
        ("first", {SESSION_KEY: str(mine.pk)}),
        ("second", {SESSION_KEY: str(mine.pk)}),
        ("half way in", {"account_login": {"user_pk": user_pk_to_url_str(mine), "email": "ada@example.org"}}),
        ("other", {SESSION_KEY: str(other.pk)}),
        ("other, half way in", {"account_login": {"user_pk": user_pk_to_url_str(other)}}),
        ("nobody", {"x": "y", "account_login": None}),
    ):
        session = SessionStore()
        session.update(data)
        session.create()
        keys[name] = session.session_key

    def left() -> list[str]:
        return [name for name, key in keys.items() if SessionStore().exists(str(key))]

    assert end_sessions(mine) == 3
    assert left() == ["other", "other, half way in", "nobody"]
    assert end_sessions(mine) == 0
    remove_person(other.person_id, by="per_x", now=NOW)
    assert left() == ["nobody"], "whoever left leaves no address behind"


def test_what_is_over_is_swept(settings: Settings) -> None:
    """A session that is over still says who was signed in, and a stranger makes one by beginning to sign in."""
    _, token = owner_and_link()
    person, unused = invited()
    sessions = {}
    for name, expires in (("over", NOW), ("fresh", NOW + SECOND)):
        session = SessionStore()
        session.create()
        Session.objects.filter(session_key=session.session_key).update(expire_date=expires)
        sessions[name] = session.session_key
    assert sweep(NOW) == 1
    assert [row.session_key for row in Session.objects.all()] == [sessions["fresh"]]
    set_account(token, email="ada@example.org", password=PASSWORD, now=NOW)
    assert sweep(NOW) == 1, "the used link"
    assert open_link(unused, NOW).person == person
    assert sweep(NOW + INVITATION_VALID) == 2
    assert not SetupLink.objects.exists()


def test_a_new_password_is_set_with_its_event(settings: Settings) -> None:
    owner, token = owner_and_link()
    account = set_account(token, email="ada@example.org", password=PASSWORD, now=NOW)
    set_password(account, "the tenth boat sails home", now=NOW)
    assert Account.objects.get().check_password("the tenth boat sails home")
    newest = read(Event.objects.order_by("-serial")[0])
    assert newest == SignInChanged(by=owner.id, person=owner.id, what="password")
