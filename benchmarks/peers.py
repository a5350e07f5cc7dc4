"""The peers: other people's software, from the extra `bench` (`make bench` installs it). Each may be missing."""

from importlib import import_module, metadata
from typing import Any


def find(module: str) -> Any | None:
    """The module, or None when it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        return None


def version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
