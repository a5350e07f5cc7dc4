"""The lists one can apply to: dated, complete, and honest about what is not known."""

import re
from datetime import date
from importlib import resources

import msgspec
import pytest

from seawall.matching.sources import UNKNOWN, Source, sources

#: Before this project looked anything up.
FIRST_LOOK = date(2026, 1, 1)


def test_the_sources_of_the_issue_are_there_terrorist_content_first() -> None:
    assert [one.id for one in sources()] == ["gifct", "threatexchange", "tcap", "communities", "ncmec", "stopncii"]
    assert [one.no_look for one in sources()] == sorted(one.no_look for one in sources())


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.id)
def test_every_entry_says_everything_or_that_it_is_unknown(source: Source) -> None:
    for field in ("name", "run_by", "lists", "who_may_join", "waiting_time", "cost", "use", "note"):
        text = getattr(source, field)
        assert text == text.strip()
        assert text, field
    assert re.fullmatch(r"[a-z][a-z0-9_]*", source.id)
    assert source.requirements
    assert all(one.strip() for one in source.requirements)
    assert FIRST_LOOK <= source.as_of <= date.today()  # noqa: DTZ011 - a day of the calendar
    assert source.address == "" or source.address.startswith("https://")


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.id)
def test_no_waiting_time_is_invented(source: Source) -> None:
    """Nobody publishes one. Whoever adds a number here adds where it was read, in `note`."""
    assert source.waiting_time == UNKNOWN or not re.search(r"\d|day|week|month|hour", source.waiting_time)


@pytest.mark.parametrize("source", [one for one in sources() if one.no_look], ids=lambda source: source.id)
def test_what_nobody_may_see_is_said_to_be_no_look(source: Source) -> None:
    assert "no-look" in source.note
    assert "not terrorist content" in source.note
    assert "reporting duty" in source.note


@pytest.mark.parametrize("change", [{"waiting": "a week"}, {"as_of": "yesterday"}, {"as_of": None}, {"name": 1}])
def test_an_entry_of_another_form_is_refused(change: dict[str, object]) -> None:
    raw = msgspec.json.decode(resources.files("seawall.matching").joinpath("sources.json").read_bytes())
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**raw[0], **change}, Source)
    with pytest.raises(msgspec.ValidationError, match="missing"):
        msgspec.convert({key: value for key, value in raw[0].items() if key != "as_of"}, Source)
