"""Server processes: started on one core, watched until they answer, and what processor time their whole tree took."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: Building threatexchange's index of a million hashes takes most of a minute.
PATIENCE = 600.0

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    pid: int
    port: int

    def processor_seconds(self) -> float:
        """utime and stime of the process and all its descendants, with those that have ended and been waited for."""
        return sum(_ticks(pid) for pid in _tree(self.pid)) / _TICKS


@contextmanager
def running(
    command: Sequence[str], *, port: int, ready: str, core: int, log: Path, environment: Mapping[str, str]
) -> Iterator[Server]:
    """The command as a server on 127.0.0.1, pinned to a core with all its children, from when `ready` answers 200."""
    # util-linux' taskset pins before the program starts, so that every process it starts is pinned as well.
    pinned = ["taskset", "-c", str(core), *command]
    with log.open("wb") as out:
        process = subprocess.Popen(
            pinned, cwd=ROOT, env={**os.environ, **environment}, stdout=out, stderr=out, start_new_session=True
        )
    try:
        _await(process, port, ready, log)
        yield Server(pid=process.pid, port=port)
    finally:
        _end(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int, path: str, key: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"authorization": f"Bearer {key}"} if key else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _await(process: subprocess.Popen[bytes], port: int, ready: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError, http.client.HTTPException):
            if get(port, ready)[0] == http.client.OK:
                return
        time.sleep(0.2)
    raise RuntimeError(f"the server did not come up; it said:\n{log.read_text(errors='replace')[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Politely, then firmly; the group is our own, made for this server."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tree(pid: int) -> list[int]:
    parents = dict(_parents())
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += [child for child, parent in parents.items() if parent == one]
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        fields = _fields(path)
        if fields is not None:
            yield int(path.parent.name), int(fields[1])


def _ticks(pid: int) -> int:
    """utime, stime, and both of the children that were waited for: fields 14 to 17 of proc(5)."""
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return sum(int(one) for one in fields[11:15]) if fields is not None else 0


def _fields(path: Path) -> list[str] | None:
    """The fields after the command's name, which may hold spaces and brackets itself; None when the process is gone."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
