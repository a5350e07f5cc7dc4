"""A real `seawall serve` on a data directory of its own, as an operator would start it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

#: Starting imports Django, migrates and starts decoders: seconds on a busy machine.
START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """This process's environment without any setting of Seawall's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEAWALL_")}
    return {**kept, **more}


def seawall(
    data_dir: Path, *arguments: str, check: bool = True, stdin: str | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command of the command line on this data directory."""
    return subprocess.run(
        [sys.executable, "-m", "seawall", "--data-dir", str(data_dir), *arguments],
        env=environment(**(env or {})),
        input=stdin,
        capture_output=True,
        text=True,
        check=check,
        timeout=110,
    )


class Server:
    """`with Server(data_dir) as server:` serves until the end of the block; `kill` is kill -9."""

    def __init__(
        self, data_dir: Path, *, env: Mapping[str, str] | None = None, command: Sequence[str] = ("serve",), **popen: Any
    ) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir.parent / f"serve-{self.port}.log"
        #: For commands about the same data directory and database.
        self.env = dict(env or {})
        self._env = environment(SEAWALL_PORT=str(self.port), **self.env)
        self._command = [sys.executable, "-m", "seawall", "--data-dir", str(data_dir), *command]
        self._popen = popen

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=self._env, stdout=log, stderr=log, start_new_session=True, **self._popen
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"seawall serve did not start:\n{self.log.read_text()}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        """End it as a service manager does; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=30)
        finally:
            self._end_group()

    def kill(self) -> None:
        """kill -9, the server and all its decoders at once, as a power cut would."""
        self._end_group()
        self.process.wait(timeout=30)

    def _end_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def new_key(data_dir: Path, *scopes: str, env: Mapping[str, str] | None = None) -> str:
    """A new API key, from the text that the command shows once."""
    options = [part for scope in scopes for part in ("--scope", scope)]
    shown = seawall(data_dir, "key", "create", "story", *options, env=env).stdout
    found = re.search(r"swk_\w[\w-]+", shown)
    assert found, shown
    return found.group()


def new_surface(
    data_dir: Path, name: str = "posts", *, fail_mode: str = "hold", env: Mapping[str, str] | None = None
) -> None:
    declared = ["--audience", "public", "--fail-mode", fail_mode, "--hold-expiry", "refuse"]
    seawall(data_dir, "surface", "create", name, *declared, env=env)


def wait_until(fact: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come true within {seconds} s")
        time.sleep(0.02)


class Client(httpx.Client):
    """A platform's program: it has a key, and asks before it publishes."""

    def __init__(self, server: Server, key: str) -> None:
        super().__init__(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def screen(self, data: bytes, *, kind: str = "image", idempotency_key: str | None = None, **request: Any) -> Any:
        """The answer to one upload of one part."""
        body = {"surface": "posts", "parts": [{"kind": kind, "file": "upload"}], **request}
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        files = {"upload": ("upload.bin", data)}
        return self.post("/v1/screen", data={"request": json.dumps(body)}, files=files, headers=headers)
