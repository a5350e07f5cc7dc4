"""Drafts: what is just being written is locked, so that it can be told from what a killed attempt left behind."""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path


def lock(descriptor: int) -> None:
    """Say that a draft (a file or a directory) is being worked on, until it is closed or its process dies."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def sweep(directory: Path, *patterns: str) -> None:
    """Remove drafts whose process was killed: the kernel gave their locks back."""
    for path in {path for pattern in patterns for path in directory.glob(pattern)}:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
            finally:
                os.close(descriptor)
