"""Someone keeps an installation for years: backs it up while it works, loses a disk, upgrades, moves, and leaves."""

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import pytest

from tests.postgresql import PostgresServer
from tests.rooms.upkeep.scene import old_directory
from tests.stories.make_data_directory import PICTURES, PLACE
from tests.stories.serving import Client, Server, environment, new_key, new_surface, seawall

ON_BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture
def databases(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Two empty ones, or the empty address of SQLite twice."""
    if request.param == "sqlite":
        yield ["", ""]
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    names = [f"u{uuid.uuid4().hex}" for _ in range(2)]
    for name in names:
        server.create(name)
    yield [server.url(name) for name in names]
    for name in names:
        server.drop(name)


def named(database_url: str) -> dict[str, str]:
    return {"SEAWALL_DATABASE_URL": database_url} if database_url else {}


#: Several servers and a dozen commands start one after another; on a busy machine each takes seconds.
pytestmark = pytest.mark.timeout(300)


class Load:
    """A platform that goes on asking; `answered` holds the ids it was told, in order."""

    def __init__(self, server: Server, key: str) -> None:
        self.answered: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(server, key), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()

    def _ask(self, server: Server, key: str) -> None:
        listed = (PICTURES / "harbour-edited.jpg").read_bytes()
        with Client(server, key) as client:
            number = 0
            while not self._stop.is_set():
                number += 1
                answer = (
                    client.screen(listed, context={"claim": "research"})
                    if number % 5 == 0
                    else client.screen(f"a harmless text, number {number}".encode(), kind="text")
                )
                if answer.status_code == httpx.codes.OK:
                    self.answered.append(answer.json()["id"])

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.answered) < count:
            assert time.monotonic() < deadline, f"only {len(self.answered)} answers"
            time.sleep(0.02)


@pytest.mark.parametrize("databases", ON_BOTH, indirect=True)
def test_a_backup_taken_under_load_has_everything_answered_before_it(tmp_path: Path, databases: list[str]) -> None:
    data_dir, env, env_of_new = tmp_path / "data", named(databases[0]), named(databases[1])
    seawall(data_dir, "bank", "create", "ours", env=env)
    seawall(data_dir, "bank", "add", "ours", str(PICTURES / "harbour.jpg"), env=env)
    new_surface(data_dir, env=env)
    key = new_key(data_dir, "screen", "read", env=env)
    with Server(data_dir, env=env) as server, Load(server, key) as load:
        load.wait_for(10)
        before = list(load.answered)
        seawall(data_dir, "backup", str(tmp_path / "b.tar"), env=env)
        load.wait_for(len(load.answered) + 5)
    restored = tmp_path / "restored"
    seawall(restored, "restore", str(tmp_path / "b.tar"), env=env_of_new)
    assert json.loads(seawall(restored, "log", "verify", "--json", env=env_of_new).stdout)["ok"]
    with Server(restored, env=env_of_new) as server, Client(server, key) as client:
        for screening_id in before:
            found = client.get(f"/v1/screenings/{screening_id}")
            assert found.status_code == httpx.codes.OK, found.text
        assert client.screen((PICTURES / "harbour-edited.jpg").read_bytes()).json()["verdict"] == "block"
    # After the server took up what the ledger had beyond the log.
    verified = json.loads(seawall(restored, "log", "verify", "--json", env=env_of_new).stdout)
    assert verified["ok"]
    held = sum(1 for path in (restored / "holds").iterdir() if any(path.iterdir()))
    assert held >= len(before) // 5


@pytest.mark.kill
def test_a_backup_that_is_killed_leaves_no_backup(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    seawall(data_dir, "bank", "create", "ours")
    command = [sys.executable, "-m", "seawall", "--data-dir", str(data_dir), "backup", str(tmp_path / "b.tar")]
    killed = 0
    for tenth in range(1, 16):
        process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(tenth / 10)
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0 or (tmp_path / "b.tar").exists():
            break
        killed += 1
    assert killed
    if not (tmp_path / "b.tar").exists():
        seawall(data_dir, "backup", str(tmp_path / "b.tar"))
    seawall(data_dir, "restore", "--check", str(tmp_path / "b.tar"))
    seawall(data_dir, "backup", str(tmp_path / "again.tar"))
    assert not list((data_dir / "backups").iterdir())


def test_serve_upgrades_the_release_before_with_a_backup_first(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    old_directory(data_dir)
    expected = json.loads((PLACE / "0.1.0" / "expected.json").read_text(encoding="utf-8"))
    refused = seawall(data_dir, "bank", "list", check=False)
    assert refused.returncode == 1
    assert "run `seawall upgrade`" in refused.stderr
    with Server(data_dir) as server, Client(server, expected["key"]) as client:
        assert "upgrading from 0.1.0" in server.log.read_text()
        for before in expected["screenings"].values():
            assert client.get(f"/v1/screenings/{before['verdict']['id']}").status_code == httpx.codes.OK
    (backup,) = (data_dir / "backups").glob("before-*.tar")
    checked = json.loads(seawall(data_dir, "restore", "--check", "--json", str(backup)).stdout)
    assert checked["version"] == "0.1.0"
    assert "Nothing to do" in seawall(data_dir, "upgrade").stdout
    (data_dir / "version").write_text("99.0\n")
    with pytest.raises(AssertionError, match="downgrade refused"):
        Server(data_dir).start()


@pytest.mark.postgresql
def test_moving_to_postgresql(tmp_path: Path, postgres: PostgresServer) -> None:
    data_dir = tmp_path / "data"
    old_directory(data_dir)
    expected = json.loads((PLACE / "0.1.0" / "expected.json").read_text(encoding="utf-8"))
    name = f"u{uuid.uuid4().hex}"
    postgres.create(name)
    with Server(data_dir) as server, Client(server, expected["key"]) as client:
        client.screen(b"one more harmless text", kind="text").raise_for_status()
        refused = seawall(data_dir, "move-to-postgresql", postgres.url(name), check=False)
        assert refused.returncode == 1
        assert f"process {server.process.pid}" in refused.stderr
    moved = json.loads(seawall(data_dir, "move-to-postgresql", "--json", postgres.url(name)).stdout)
    assert moved["screenings"] == 8
    with Server(data_dir) as server, Client(server, expected["key"]) as client:
        for before in expected["screenings"].values():
            assert client.get(f"/v1/screenings/{before['verdict']['id']}").status_code == httpx.codes.OK
        blocked = client.screen((PICTURES / "harbour-edited.jpg").read_bytes()).json()
        assert blocked["verdict"] == "block"
    assert not list(data_dir.glob("*.sqlite3"))
    assert json.loads(seawall(data_dir, "log", "verify", "--json").stdout)["ok"]
    seawall(data_dir, "backup", str(tmp_path / "b.tar"))
    postgres.drop(name)


def test_leaving_beside_a_running_server(tmp_path: Path) -> None:
    data_dir, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    old_directory(data_dir)
    expected = json.loads((PLACE / "0.1.0" / "expected.json").read_text(encoding="utf-8"))
    with Server(data_dir):
        seawall(data_dir, "export", str(tmp_path / "export.zip"))
        seawall(data_dir, "export", str(tmp_path / "export"))
    seawall(elsewhere, "bank", "create", "ours")
    imported = seawall(elsewhere, "bank", "import", "ours", "--json", str(tmp_path / "export" / "banks" / "ours.jsonl"))
    assert json.loads(imported.stdout)["added"] == 4
    seawall(elsewhere, "bank", "create", "forum")
    seawall(elsewhere, "policy", "save", str(tmp_path / "export" / "policies" / "default-2.json"))
    # A hash confirms nothing: what was one's own holds until one says again that it is.
    found = seawall(elsewhere, "screen", "--json", str(PICTURES / "harbour-edited.jpg"), check=False)
    assert json.loads(found.stdout)["matches"][0]["bank"] == "ours"
    ledger = (tmp_path / "export" / "ledger").iterdir()
    ids = {json.loads(line)["verdict"]["id"] for path in ledger for line in path.read_text().splitlines()}
    assert {one["verdict"]["id"] for one in expected["screenings"].values()} <= ids
