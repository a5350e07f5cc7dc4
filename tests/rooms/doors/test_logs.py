"""Log lines: one form, and nobody in them, whoever wrote them."""

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator

import django.db
import pytest

from seawall.doors.web.logs import JsonLines, TextLines, log_to_stdout, trace_of, without_persons
from seawall.settings import SettingsError

KEY = "swk_0123456789abcdef0123456789abcdef_0123456789012345678901234567890123456789012"
FORMS = [JsonLines(), TextLines()]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging belongs to the whole process: every test leaves it as it was."""
    root, ours = logging.getLogger(), logging.getLogger("seawall")
    before = root.handlers[:], root.level, ours.level, threading.excepthook
    yield
    root.handlers[:], root.level, ours.level, threading.excepthook = before
    logging.captureWarnings(capture=False)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    with pytest.raises(type(error)) as caught:
        raise error from cause
    return caught.value


def line(form: logging.Formatter, message: str, error: BaseException | None = None) -> str:
    caught = None if error is None else (type(error), error, error.__traceback__)
    return form.format(logging.LogRecord("seawall.x", logging.ERROR, "f", 1, message, (), caught))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "private",
    [KEY, "jo.do-e+x@mail.example.org", "<jo@example.org>", "'jo@example.org'", "a_b%c@ex-ample.co.uk"],
)
def test_keys_and_mail_addresses_are_blotted_out(form: logging.Formatter, private: str) -> None:
    said = line(form, f"it went wrong with {private} today", raised(OSError(private)))
    assert private.strip("<>'") not in said
    assert "it went wrong with" in said
    assert "today" in said


def test_a_database_is_still_named() -> None:
    assert without_persons("postgresql://sea@db.example.org/wall") == "postgresql://sea@db.example.org/wall"


@pytest.mark.parametrize("text", ["", "@", "a@", "@b.c", "swk_", "a@b", "x" * 100_000, "@." * 50_000, "a@b." * 50_000])
def test_odd_texts_are_no_trouble(text: str) -> None:
    assert isinstance(without_persons(text), str)


@pytest.mark.parametrize("form", FORMS)
def test_an_error_that_may_quote_content_says_where_not_what(form: logging.Formatter) -> None:
    error = raised(ValueError("her words"), raised(KeyError("her name")))
    said = line(form, "failed", error)
    assert "her" not in said
    assert said.index("KeyError") < said.index("ValueError"), "the cause comes first"
    assert "test_logs.py" in said


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left"), sqlite3.OperationalError("No space left"), SettingsError("No space left")],
)
def test_the_words_of_the_system_and_our_own_are_kept(error: Exception) -> None:
    assert "No space left" in trace_of(raised(error))


@pytest.mark.parametrize("form", FORMS)
def test_rows_that_postgresql_quotes_are_left_out(form: logging.Formatter) -> None:
    said = 'null value in column "x"\nDETAIL:  Failing row contains (her words).\nCONTEXT:  COPY y: "her words"'
    found = line(form, f"the ledger cannot be written: {said}", raised(django.db.IntegrityError(said)))
    assert "null value in column" in found
    assert "her words" not in found


def test_an_error_that_is_its_own_cause_ends() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert trace_of(first).count("Error") == 2


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_goes_to_standard_output(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stdout(log_format)
    logging.getLogger("seawall.doors").info("ours")
    logging.getLogger("somebody.else").info("theirs, which is not for us")
    logging.getLogger("somebody.else").warning("a warning")
    named = "her name"
    thread = threading.Thread(target=lambda: int("no number"), name=named)
    thread.start()
    thread.join()
    out, err = capsys.readouterr()
    assert err == ""
    assert "not for us" not in out
    assert "her name" not in out
    if log_format == "json":
        lines = [json.loads(one) for one in out.splitlines()]
        assert [one["message"] for one in lines] == ["ours", "a warning", "a thread failed"]
        assert [one["level"] for one in lines] == ["info", "warning", "error"]
        assert {"time", "level", "logger", "message"} <= set(lines[0])
        assert "ValueError" in lines[2]["trace"]
    else:
        assert "INFO    ours" in out
        assert "ValueError" in out
