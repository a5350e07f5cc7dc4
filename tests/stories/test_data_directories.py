"""Every release opens what earlier ones wrote: nothing of a data directory is lost by an upgrade."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connections

from seawall import app
from seawall.screening.ledger import Ledger
from seawall.screening.ledger.retention import drop_expired
from seawall.settings import load_settings
from tests.stories.make_data_directory import PICTURES, PLACE
from tests.stories.serving import Client, Server, seawall

RELEASES = sorted(path for path in PLACE.iterdir() if path.is_dir())


@pytest.fixture(scope="module", params=RELEASES, ids=lambda path: path.name)
def release(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture(scope="module")
def expected(release: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((release / "expected.json").read_text(encoding="utf-8"))
    return found


def copied(release: Path, data_dir: Path) -> Path:
    shutil.copytree(release / "data", data_dir)
    # A clone does not know who may read a file.
    for path in (data_dir, *data_dir.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return data_dir


@pytest.fixture(scope="module")
def server(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(copied(release, tmp_path_factory.mktemp(release.name) / "data")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server, expected: dict[str, Any]) -> Iterator[Client]:
    with Client(server, expected["key"]) as client:
        yield client


def test_every_release_left_one() -> None:
    assert "0.1.0" in {path.name for path in RELEASES}


def test_its_days_outlive_many_releases(release: Path, tmp_path: Path) -> None:
    """Retention runs when a server starts; in thirty years it must still leave what the other tests read."""
    settings = load_settings({"data_dir": copied(release, tmp_path / "data")}, {})
    app.prepare(settings)
    ledger = Ledger(settings)
    assert drop_expired(ledger, now=datetime.now(UTC) + timedelta(days=30 * 365)) == []
    with ledger.opened() as storage:
        assert len(storage.partitions()) >= 2
    connections["default"].close()


def test_every_screening_is_what_it_was(client: Client, expected: dict[str, Any]) -> None:
    assert len(expected["screenings"]) >= 7
    for name, before in expected["screenings"].items():
        answer = client.get(f"/v1/screenings/{before['verdict']['id']}")
        assert answer.status_code == httpx.codes.OK, name
        now = answer.json()
        assert {key: now["verdict"][key] for key in before["verdict"]} == before["verdict"], name
        if before["hold"] is None:
            assert now["hold"] is None, name
        elif before["hold"]["state"] == "waiting":
            assert now["hold"]["state"] in {"waiting", "expired"}, name
        else:
            assert {key: now["hold"][key] for key in before["hold"]} == before["hold"], name


def test_it_screens_by_its_banks_and_its_policy(client: Client, server: Server, expected: dict[str, Any]) -> None:
    edited = PICTURES / "harbour-edited.jpg"
    blocked = client.screen(edited.read_bytes()).json()
    assert (blocked["verdict"], blocked["matches"][0]["bank"]) == ("block", "ours")
    assert client.screen((PICTURES / "balloons.jpg").read_bytes()).json()["verdict"] == "allow"
    hashed = expected["screenings"]["hash-only hold"]["verdict"]
    signals = [{key: one[key] for key in ("type", "value", "quality")} for one in hashed["signals"]]
    body = {"surface": "posts", "parts": [{"kind": "image", "signals": signals}]}
    again = client.post("/v1/screen", json=body).json()
    assert (again["verdict"], again["reasons"][0]["rule"], again["policy"]) == ("hold", "forum", hashed["policy"])
    assert seawall(server.data_dir, "screen", "--surface", "posts", str(edited), check=False).returncode == 11
    assert "Example Forum" in seawall(server.data_dir, "bank", "list").stdout


def test_its_log_is_whole_and_goes_on(client: Client, server: Server, expected: dict[str, Any]) -> None:
    client.screen(b"one more harmless text", kind="text").raise_for_status()
    seawall(server.data_dir, "bank", "create", "newer")
    server.stop()
    try:
        verified = json.loads(seawall(server.data_dir, "log", "verify", "--json").stdout)
    finally:
        server.start()
    assert verified["ok"]
    assert verified["leaves"] > expected["leaves"]
