"""The container and the service: linted, verified, and what they forbid is nothing that Seawall needs."""

import configparser
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from seawall.doors.web.connections import MOST_CONNECTIONS, SPARE_DESCRIPTORS
from seawall.doors.web.process import LAST_ANSWERS_SECONDS
from seawall.matching import testcard
from tests.stories.serving import Client, Server, new_key, new_surface, seawall, wait_until

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "deploy" / "Containerfile"
UNIT = ROOT / "deploy" / "systemd" / "seawall.service"

#: What `systemd-analyze security` of systemd 252 comes to, in tenths; 92 is the worst. Lower is better, and welcome.
EXPOSURE = 12

#: prctl(2) of Linux 6.3: no memory both writable and executable, as MemoryDenyWriteExecute= has it.
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1


def require(program: str, package: str) -> str:
    """The program's path; the test skips without it."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed: apt-get install {package}")
    return found


class TestContainer:
    def test_the_linter_has_nothing_to_say(self) -> None:
        linter = Path(sys.executable).with_name("hadolint")
        said = subprocess.run([linter, str(CONTAINER)], capture_output=True, text=True, check=False)
        assert (said.returncode, said.stdout + said.stderr) == (0, "")

    def test_the_linter_would_say_something(self, tmp_path: Path) -> None:
        bad = tmp_path / "Containerfile"
        bad.write_text(CONTAINER.read_text().replace(":3.13-slim-bookworm", ":latest"))
        linter = Path(sys.executable).with_name("hadolint")
        assert subprocess.run([linter, str(bad)], capture_output=True, check=False).returncode != 0

    def test_the_last_stage_is_no_root_has_a_volume_and_looks_after_itself(self) -> None:
        last = CONTAINER.read_text().rpartition("\nFROM ")[2]
        assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
        assert re.search(r"^VOLUME /data$", last, re.MULTILINE)
        assert "/livez" in last.partition("HEALTHCHECK")[2]
        assert "g++" not in last, "no compiler in what runs"
        assert not re.search(r"(?i)^(ARG|ENV).*(password|secret|token)", CONTAINER.read_text(), re.MULTILINE)

    def test_its_health_is_asked_at_its_own_port_and_past_any_proxy(self) -> None:
        found = re.search(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", CONTAINER.read_text(), re.MULTILINE)
        assert found
        _python, *words = json.loads(found[1])
        with socket.create_server(("127.0.0.1", 0)) as listening:
            env = {**os.environ, "SEAWALL_PORT": str(listening.getsockname()[1]), "http_proxy": "http://192.0.2.1:9"}
            for status in (200, 503):
                asking = subprocess.Popen([sys.executable, *words], env=env)
                client, _address = listening.accept()
                with client:
                    assert client.recv(4096).startswith(b"GET /livez HTTP/1.1\r\n")
                    client.sendall(b"HTTP/1.1 %d Said\r\nContent-Length: 0\r\n\r\n" % status)
                assert (asking.wait(30) == 0) is (status == 200)
        assert subprocess.run([sys.executable, *words], env=env, capture_output=True, check=False).returncode != 0

    def test_whatever_it_copies_is_there_and_not_ignored(self) -> None:
        allowed = re.findall(r"^!(\S+)", (ROOT / ".containerignore").read_text(), re.MULTILINE)
        copied = [
            word
            for line in re.findall(r"^COPY (?!--from)(.*)$", CONTAINER.read_text(), re.MULTILINE)
            for word in line.split()[:-1]
        ]
        assert len(copied) > 5
        for name in copied:
            assert (ROOT / name).exists(), name
            assert any(name == one or name.startswith(f"{one}/") for one in allowed), name


@cache
def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    return parser["Service"]


@pytest.fixture
def runnable(tmp_path: Path) -> Path:
    """The unit with a program that is there: `verify` looks for it."""
    copy = tmp_path / "seawall.service"
    text, count = re.subn(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text())
    assert count == 1
    copy.write_text(text)
    # Whatever the caller's umask is: about a file that others may write systemd has something to say.
    copy.chmod(0o644)
    return copy


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    """`systemd-analyze`, which neither the caller's directory for drafts nor their unit paths may lead astray."""
    program = require("systemd-analyze", "systemd")
    ours = ("SYSTEMD_", "XDG_", "TMPDIR", "TEMP", "TMP")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run([program, *words], capture_output=True, text=True, check=False, env=env, cwd="/")


class TestService:
    def test_systemd_understands_every_line(self, runnable: Path) -> None:
        said = analyze("verify", str(runnable))
        about_ours = [line for line in said.stderr.splitlines() if "seawall.service" in line]
        assert (said.returncode, about_ours) == (0, [])

    def test_a_misspelt_line_is_noticed(self, runnable: Path) -> None:
        runnable.write_text(runnable.read_text().replace("ProtectHome=", "ProtectHouse="))
        said = analyze("verify", str(runnable))
        assert "ProtectHouse" in said.stderr

    def test_its_exposure_is_low(self, runnable: Path) -> None:
        words = ("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", str(runnable))
        said = analyze(*words)
        assert said.returncode == 0, said.stdout + said.stderr
        assert "OK" in said.stdout.splitlines()[-1]
        runnable.write_text("[Service]\nExecStart=/bin/true\n")
        assert analyze(*words).returncode != 0, "a bare unit is above it"

    def test_it_gives_seawall_the_time_and_descriptors_that_it_needs(self) -> None:
        assert int(unit()["TimeoutStopSec"]) > LAST_ANSWERS_SECONDS + 10
        assert int(unit()["LimitNOFILE"]) >= MOST_CONNECTIONS + SPARE_DESCRIPTORS
        assert unit()["Restart"] == "on-failure"
        assert (unit()["DynamicUser"], unit()["StateDirectory"]) == ("yes", "seawall")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    seawall(tmp_path / "data", "bank", "create", "ours")
    new_surface(tmp_path / "data")
    return tmp_path / "data"


def stops_the_test_card(server: Server) -> None:
    key = new_key(server.data_dir, "screen")
    with Client(server, key) as client:
        wait_until(lambda: client.screen(testcard.picture()).status_code == 200, 20)
        assert client.screen(testcard.picture()).json()["verdict"] == "block"


def deny_writable_code() -> None:
    """In the process to be: what MemoryDenyWriteExecute= does, by the kernel's own means."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def knows_mdwe() -> bool:
    check = "import ctypes; raise SystemExit(ctypes.CDLL(None).prctl(65, 1, 0, 0, 0))"
    return subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_it_runs_without_memory_that_is_both_written_and_executed(data_dir: Path) -> None:
    assert unit()["MemoryDenyWriteExecute"] == "yes"
    if not knows_mdwe():
        pytest.skip("this kernel cannot deny writable code to a process: Linux 6.3 can")
    with Server(data_dir, env={"SEAWALL_DECODERS": "1"}, preexec_fn=deny_writable_code) as server:
        stops_the_test_card(server)


def system_calls(group: str) -> set[str]:
    """The calls of one of systemd's groups."""
    names = [line.strip() for line in analyze("syscall-filter", "--no-pager", group).stdout.splitlines()[1:]]
    found = {name for name in names if name and name[0] not in "#@"}
    return found.union(*(system_calls(name) for name in names if name.startswith("@")))


@pytest.fixture
def traced(data_dir: Path, tmp_path: Path) -> Iterator[Server]:
    """A server that is watched for every call that the unit's filter would refuse."""
    strace = require("strace", "strace")
    require("systemd-analyze", "systemd")
    allowed: set[str] = set()
    for words in re.findall(r"(?m)^SystemCallFilter=(\S+)$", UNIT.read_text()):
        allowed = allowed - system_calls(words[1:]) if words.startswith("~") else allowed | system_calls(words)
    server = Server(data_dir, env={"SEAWALL_DECODERS": "1"})
    watched = f"trace=!{','.join(f'?{name}' for name in sorted(allowed))}"
    watch = [strace, "-f", "-qq", "--seccomp-bpf", "-e", watched, "-e", "signal=none", "-o", str(tmp_path / "calls")]
    server._command[:0] = watch
    with server:
        yield server


@pytest.mark.slow
def test_it_makes_no_system_call_that_the_unit_refuses(traced: Server, tmp_path: Path) -> None:
    stops_the_test_card(traced)
    seawall(traced.data_dir, "bank", "add", "ours", "--text", "some words")
    time.sleep(2)  # the background jobs have had their turn
    os.kill(int((traced.data_dir / "serve.lock").read_text()), signal.SIGTERM)
    traced.process.wait(40)
    calls = {line.split()[1].partition("(")[0] for line in (tmp_path / "calls").read_text().splitlines()}
    # SQLite gives its files away as root only.
    assert calls - ({"fchown"} if os.geteuid() == 0 else set()) == set()


def test_the_watch_would_see_a_refused_call(tmp_path: Path) -> None:
    strace = require("strace", "strace")
    command = [strace, "-f", "-qq", "--seccomp-bpf", "-e", "trace=!?read,?write", "-o", str(tmp_path / "calls"), "true"]
    subprocess.run(command, check=True)
    assert "mmap" in (tmp_path / "calls").read_text()
