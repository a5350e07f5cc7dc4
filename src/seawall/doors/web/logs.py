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
    # We say ourselves where we listen; its warnings and errors stay.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # It warns of every malformed form, byte by byte; the caller is told, and the log is not for strangers to fill.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    # Below ERROR it names the address of every request that found nothing.
    logging.getLogger("django.request").setLevel(logging.ERROR)
