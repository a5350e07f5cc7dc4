"""The tables as the migrations leave them."""

import random

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection

from seawall.matching import banks
from seawall.matching.models import ListedSignal
from seawall.settings import Settings
from seawall.signals.model import Signal
from tests.rooms.matching.test_banks import NOW, OWNER


def test_the_migrations_say_what_the_models_say(sqlite_settings: Settings) -> None:
    call_command("makemigrations", "matching", check=True, dry_run=True, verbosity=0)


def test_the_database_itself_keeps_a_signal_once(settings: Settings) -> None:
    banks.create_bank("own", by=OWNER, now=NOW)
    banks.add_signals("own", [Signal(type="pdq", value="0f" * 32)], by=OWNER, now=NOW)
    row = ListedSignal.objects.get()
    row.id = type(row.id)(int=row.id.int + 1)
    with pytest.raises(IntegrityError):
        row.save(force_insert=True)


def test_the_longest_url_can_be_listed(settings: Settings) -> None:
    """A URL is longer than an index entry of PostgreSQL may be."""
    banks.create_bank("own", by=OWNER, now=NOW)
    # Random, because PostgreSQL would compress a repeated letter until it fits.
    value = "https://example.org/" + random.Random(1).randbytes(4_000).hex()
    added = banks.add_signals("own", [Signal(type="url", value=value)], by=OWNER, now=NOW)
    assert len(added.ids) == 1
    assert banks.add_signals("own", [Signal(type="url", value=value)], by=OWNER, now=NOW).duplicates == added.ids


def test_changes_are_found_by_an_index(sqlite_settings: Settings) -> None:
    rows = ListedSignal.objects.filter(changed__gt=5).values_list("id")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {rows.query}")
        assert "matching_signal_changed" in str(cursor.fetchall())
