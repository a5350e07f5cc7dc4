"""Logs to standard output, as text for people or JSON for machines. No door logs content, addresses or keys.

Who writes a line keeps persons out of it. What stands here catches what comes from elsewhere: the words of a library,
and of an exception, which may quote whatever it stumbled over.
"""

import logging
import re
import sqlite3
import sys
import threading
import traceback
from datetime import UTC, datetime

import django.db
import msgspec

#: API keys and mail addresses, wherever they slipped in. A user name in a database's URL is none of them.
_PRIVATE = re.compile(r"swk_[\w-]+|(?<![/\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")

#: Below these PostgreSQL quotes the row or the statement that it refused.
_ROWS = re.compile(r"\n(?:DETAIL|CONTEXT|LINE \d+):.*", re.DOTALL)

#: What these say comes from the system, the database or us, and names files, tables and hosts, not content.
_OPEN_ABOUT = (OSError, sqlite3.Error, django.db.Error)


def without_persons(text: str) -> str:
    """The text without rows of the database, API keys and mail addresses."""
    return _PRIVATE.sub("[not logged]", _ROWS.sub("", text))


def trace_of(error: BaseException | None) -> str:
    """Where it happened, causes first, and what it was; its words only where they cannot quote anybody's content."""
    told: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        places = "".join(traceback.format_tb(error.__traceback__))
        told.insert(0, f"{places}{type(error).__name__}{_words(error)}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nthen:\n".join(told)


def _words(error: BaseException) -> str:
    if not isinstance(error, _OPEN_ABOUT) and not type(error).__module__.startswith("seawall."):
        return ""
    lines = str(error).splitlines()
    return f": {lines[0]}" if lines else ""


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_persons(record.getMessage()),
        }
        if record.exc_info:
            line["trace"] = without_persons(trace_of(record.exc_info[1]))
        return msgspec.json.encode(line).decode()


class TextLines(logging.Formatter):
    """A line for people; below it, where something failed."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        trace = f"\n{trace_of(record.exc_info[1])}" if record.exc_info else ""
        return without_persons(self.formatMessage(record)) + without_persons(trace)


def log_to_stdout(log_format: str) -> None:
    """Our own lines from INFO up, other people's from WARNING up, in this form (`text` or `json`)."""
    out = logging.StreamHandler(sys.stdout)
    out.setFormatter(JsonLines() if log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers = [out]
    root.setLevel(logging.WARNING)
    logging.getLogger("seawall").setLevel(logging.INFO)
    # What Python would print to standard error, past the form and past what is kept out.
    logging.captureWarnings(capture=True)
    threading.excepthook = _thread_failed
    keep_strangers_out()


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    error = failed.exc_value
    if error is not None and not isinstance(error, SystemExit):
        logging.getLogger("seawall").error("a thread failed", exc_info=error)


def keep_strangers_out() -> None:
    """Silences what would let strangers fill the log, or write into it; whoever asked is told what was wrong."""
    # We say ourselves where we listen; its warnings are of requests that are no HTTP or want a WebSocket.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    # It warns of every malformed form, byte by byte.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    # It quotes the Host header of a request that has an unusable one, with a trace.
    logging.getLogger("django.security").setLevel(logging.CRITICAL)
    # It names the address of every request that found nothing, and quotes the error of one that failed (see api.urls).
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
