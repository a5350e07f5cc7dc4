"""The page about what is stored speaks of all of it: a new table, key or column of a ledger row has to be told."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from seawall.app import bind
from seawall.screening.ledger.model import LedgerEntry
from seawall.settings import Settings
from tests.rooms.upkeep.scene import live_in

PAGE = (Path(__file__).parents[2] / "docs" / "why" / "what-seawall-stores.md").read_text(encoding="utf-8")

#: The words by which the page speaks of a table with something about a person in it.
TOLD = {
    "django_session": "| Session |",
    "record_event": "| What they did:",
    "record_outbox": "| Mails that wait to be sent",
    "members_person": "| Name, role",
    "members_account": "| Password |",
    "members_setup_link": "| One-time set-up link |",
    "members_apikey": "| Whose hand it was |",
    "matching_bank": "| Whose hand it was |",
    "matching_import": "| Whose hand it was |",
    "matching_signal": "| Notes they wrote",
    "screening_policy": "| Notes they wrote",
    "screening_surface": "| Whose hand it was |",
    "screening_hold": '| "Have a person look"',
    "screening_totals": "Numbers stay when the rows are gone",
    "account_emailaddress": "| E-mail address",
    "mfa_authenticator": "| Second factor: passkey |",
}

#: Looked at, and about nobody; the last two stay empty.
ABOUT_NOBODY = {
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
    "record_logtile",
    "record_checkpoint",
    "record_generation",
    "members_instance",
    "screening_ledger_day",
    "account_emailconfirmation",
}

#: What a row of the ledger holds, and the words for it.
IN_A_ROW = {
    "verdict": "| Each answer: verdict",
    "pseudonym": "| Who uploaded it",
    "keyed_signals": "| SHA-256, MD5",
    "context": "| What your platform says of the upload in `context`",
    "hold_expiry": "",
    "batch": "",
    "partition": "",
}


def test_every_table_was_looked_at() -> None:
    bind(Settings(data_dir=Path("no-data-directory")))
    from seawall.upkeep.tables import table_of, tables

    assert {table_of(model) for model in tables()} == TOLD.keys() | ABOUT_NOBODY
    assert [table for table, words in TOLD.items() if words not in PAGE] == []


def test_everything_in_a_row_of_the_ledger_is_told() -> None:
    assert {one.name for one in fields(LedgerEntry)} == IN_A_ROW.keys()
    assert [name for name, words in IN_A_ROW.items() if words not in PAGE] == []


def test_every_key_is_told(sqlite_settings: Settings) -> None:
    live_in(sqlite_settings)
    rows = re.findall(r"^\| `([\w…./-]+)` \| .* \| .* \|$", PAGE.partition("| in `keys/` |")[2], re.MULTILINE)
    told = {name.replace("…", "*") for name in rows if name.endswith(("/", ".key", ".json"))}
    assert {"ledger/", "explain/", "console.key", "second-factors.key", "mail.json"} <= told
    for path in sqlite_settings.keys_dir.iterdir():
        assert any(path.match(name.rstrip("/")) for name in told), path.name


@pytest.mark.parametrize("name", ["keep_unmatched_days", "keep_matched_days"])
def test_its_periods_are_the_settings(name: str) -> None:
    assert f"| `{name}` | {getattr(Settings(), name)} |" in PAGE
    assert f"{getattr(Settings(), name)} days" in PAGE
