"""Logs to standard output, as text for people or JSON for machines. No door logs content, addresses or keys."""

import logging
import sys
from datetime import UTC, datetime

import msgspec


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class TextLines(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")


def log_to_stdout(log_format: str) -> None:
    """Everything from INFO up, in this form (`text` or `json`)."""
    out = logging.StreamHandler(sys.stdout)
    out.setFormatter(JsonLines() if log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers = [out]
    root.setLevel(logging.INFO)
    keep_strangers_out()


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
