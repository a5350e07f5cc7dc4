"""Files that must survive a power cut, whole or not at all, and others that must not survive their destruction."""

import os
import secrets
from pathlib import Path


def replace_durably(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Put `content` into `path`, in place of what is there. A failure leaves the old file as it was."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make names that were added to or removed from the directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def destroy_file(path: Path) -> None:
    """Overwrite and remove. Overwriting is a best effort: some disks and file systems keep old blocks all the same."""
    try:
        with path.open("r+b") as file:
            size = path.stat().st_size
            file.write(secrets.token_bytes(min(size, 1 << 16)))
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    except OSError:
        # A full or worn disk must not keep us from removing the name.
        pass
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def make_private_directory(directory: Path) -> None:
    """A directory that is ours alone, with all above it; its name is durable, or what it holds would go with it."""
    if directory.is_dir():
        return
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    sync_directory(directory.parent)
