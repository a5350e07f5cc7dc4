"""What the gate decides by follows the file, and a bad file never takes the good state away."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from seawall.doors.gate import StateHolder
from seawall.doors.gate import state as states
from seawall.screening.gate_state import STATE_FILE, load
from tests.rooms.doors.scene import Api, problem, publish

TEXT = {"kind": "text", "text": "x"}


def ready(api: Api) -> tuple[int, dict[str, object]]:
    response = api.call("GET", "/readyz", who=None)
    return response.status_code, response.json()


def test_without_a_state_nothing_is_screened_and_readyz_says_why(api: Api, tmp_path: Path) -> None:
    api.app._holder = StateHolder(tmp_path)
    status, said = ready(api)
    assert status == 503
    assert said["problems"] == ["nothing was published yet"]
    response = api.screen(TEXT)
    problem(response, 503, "not_ready")
    assert response.headers["retry-after"] == "1"


def test_ready_says_which_state_is_in_use(api: Api) -> None:
    status, said = ready(api)
    assert (status, said["ready"], said["state"], said["warnings"]) == (200, True, 1, [])
    assert said["signals"]
    assert said["state_age_seconds"] == 0


def test_a_ledger_that_fails_is_said(api: Api) -> None:
    api.app._ledger_problem = lambda: "the disk is full"
    status, said = ready(api)
    assert (status, said["problems"]) == (503, ["the disk is full"])


def test_what_fails_beside_answering_is_a_warning(api: Api) -> None:
    api.app._warnings = lambda: ("publishing fails",)
    status, said = ready(api)
    assert (status, said["warnings"]) == (200, ["publishing fails"])


def test_a_new_state_is_taken_as_a_whole(api: Api) -> None:
    before = api.holder.present
    publish(api.directory, api.cast.records, number=2)
    assert api.holder.refresh()
    assert not api.holder.refresh()
    assert ready(api)[1]["state"] == 2
    assert before is not None
    assert before.loaded.state.number == 1


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "foreign", "version"])
def test_a_damaged_file_keeps_the_old_state_and_is_said(api: Api, damage: str) -> None:
    file = api.directory / STATE_FILE
    good = file.read_bytes()
    file.write_bytes(
        {
            "flip": good[:200] + bytes([good[200] ^ 1]) + good[201:],
            "truncate": good[:-10],
            "empty": b"",
            "foreign": b"hello\nworld",
            "version": good.replace(b'"schema":1', b'"schema":9'),
        }[damage]
    )
    assert not api.holder.refresh()
    status, said = ready(api)
    assert (status, said["state"]) == (200, 1)
    assert "cannot be used" in str(said["warnings"])
    assert api.screen(TEXT).status_code == 200
    publish(api.directory, api.cast.records, number=3)
    assert api.holder.refresh()
    assert ready(api)[1]["warnings"] == []


def test_a_missing_file_or_snapshot_keeps_the_old_state(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    file = api.directory / STATE_FILE
    kept = file.read_bytes()
    file.unlink()
    assert not api.holder.refresh()
    assert ready(api)[1]["warnings"] == ["the gate state is missing"]
    file.write_bytes(kept)
    fresh = StateHolder(api.directory)
    snapshot = api.directory / "index-1.snapshot"
    snapshot.rename(api.directory / "away")
    assert not fresh.refresh()
    (api.directory / "away").rename(snapshot)
    monkeypatch.setattr(states, "RETRY_SECONDS", 0.0)
    assert fresh.refresh(), "it is tried again although the file did not change"


def test_an_error_nobody_thought_of_does_not_end_the_following(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = load, iter([MemoryError("no room for it in /srv/secret-place")])

    def failing(*arguments: Any) -> Any:
        for failure in failures:
            raise failure
        return real(*arguments)

    monkeypatch.setattr(states, "load", failing)
    monkeypatch.setattr(states, "RETRY_SECONDS", 0.2)

    async def watch() -> None:
        following = asyncio.create_task(api.holder.follow())
        publish(api.directory, api.cast.records, number=5)
        said: set[str] = set()
        async with asyncio.timeout(5):
            while api.holder.present is None or api.holder.present.loaded.state.number != 5:
                said.add(api.holder.problem)
                await asyncio.sleep(0.01)
        following.cancel()
        assert "the newest gate state cannot be used: MemoryError" in said

    asyncio.run(watch())


def test_following_notices_within_a_second(api: Api) -> None:
    async def watch() -> float:
        following = asyncio.create_task(api.holder.follow())
        await asyncio.sleep(0)
        publish(api.directory, api.cast.records, number=5)
        loop = asyncio.get_running_loop()
        began = loop.time()
        while api.holder.present is None or api.holder.present.loaded.state.number != 5:
            await asyncio.sleep(0.01)
            assert loop.time() - began < 5
        following.cancel()
        return loop.time() - began

    assert asyncio.run(watch()) < 1.0
