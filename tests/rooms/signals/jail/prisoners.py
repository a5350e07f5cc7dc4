"""Functions for the jail to run: honest ones, and every kind of dishonest one that a broken decoder can become."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from seawall.signals.jail import MAX_ANSWER, JailRefused

HERE = "tests.rooms.signals.jail.prisoners"

#: Where a worker finds this file.
ROOT = str(Path(__file__).parents[4])

_RULES = {
    "RLIMIT_AS": resource.RLIMIT_AS,
    "RLIMIT_CORE": resource.RLIMIT_CORE,
    "RLIMIT_FSIZE": resource.RLIMIT_FSIZE,
    "RLIMIT_NOFILE": resource.RLIMIT_NOFILE,
    "RLIMIT_NPROC": resource.RLIMIT_NPROC,
    "RLIMIT_CPU": resource.RLIMIT_CPU,
}


def echo(payload: bytes) -> bytes:
    return payload


def length(payload: bytes) -> bytes:
    return str(len(payload)).encode()


def refuse(payload: bytes) -> NoReturn:
    raise JailRefused("bad_hat", "This file wears no hat: " + payload.decode())


def fail(payload: bytes) -> NoReturn:
    raise ZeroDivisionError(payload.decode())


def recurse(payload: bytes) -> bytes:
    return recurse(payload) + payload


def answer_text(payload: bytes) -> str:
    return payload.decode()


def answer_too_much(payload: bytes) -> bytes:
    return bytes(MAX_ANSWER + 1)


def leave(payload: bytes) -> NoReturn:
    os._exit(int(payload))


def die(payload: bytes) -> bytes:
    os.kill(os.getpid(), int(payload))
    return b"still here"


def hog(payload: bytes) -> bytes:
    """Takes what it gets, and gives up like Python does."""
    taken = []
    while True:
        taken.append(bytearray(64 * 1024 * 1024))


def spin(payload: bytes) -> bytes:
    """Never ends, and always has something to calculate."""
    while True:
        pass


def sleep(payload: bytes) -> bytes:
    time.sleep(float(payload))
    return b"slept"


def spin_in_many_threads(payload: bytes) -> bytes:
    # An ordinary user's worker is refused the threads already (RLIMIT_NPROC); root's is not.
    with contextlib.suppress(RuntimeError):
        for _ in range(3):
            threading.Thread(target=lambda: sum(range(10**12)), daemon=True).start()
    return spin(payload)


def beget_and_spin(payload: bytes) -> bytes:
    """Starts a child first, to see whether it outlives the killing."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", payload.decode()])
    return spin(payload)


def _descriptors() -> dict[str, str]:
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that listing the directory took
            found[entry.name] = str(entry.readlink())
    return found


def circumstances(payload: bytes) -> bytes:
    """What a worker can see of the machine."""
    seen = {
        "limits": {name: resource.getrlimit(number) for name, number in _RULES.items()},
        "environment": dict(os.environ),
        "directory": str(Path.cwd()),
        "descriptors": _descriptors(),
        "ignores": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        "oom": Path("/proc/self/oom_score_adj").read_text(),
    }
    return json.dumps(seen).encode()


def write_file(payload: bytes) -> bytes:
    with Path(payload.decode()).open("wb", buffering=0) as file:
        return str(file.write(b"x")).encode()


def open_files(payload: bytes) -> bytes:
    kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(int(payload))]
    return str(len(kept)).encode()


def chatter(payload: bytes) -> bytes:
    """Decoders print warnings; they must not reach the server's output."""
    os.write(1, b"noise on stdout\n" * 10_000)
    os.write(2, b"noise on stderr\n" * 10_000)
    return payload


def write_nonsense(payload: bytes) -> bytes:
    """A worker that has been taken over writes what it likes to every descriptor it has."""
    for descriptor in range(3, 1_024):  # it keeps the number that it had in the server
        try:
            os.write(descriptor, payload)
        except OSError:
            continue
    return b"done"


def named(*functions: object) -> list[str]:
    return [f"{HERE}:{function.__name__}" for function in functions]  # type: ignore[attr-defined]
