"""What must not be lost: a server killed in the middle of a thousand uploads, a full disk, a decoder that dies."""

import asyncio
import resource
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.stories.serving import Client, Server, new_key, new_surface, seawall, wait_until

PICTURE = (Path(__file__).parents[1] / "vectors" / "images" / "misc" / "wee.jpg").read_bytes()
UPLOADS = 1_000
#: Connections at once: as many as a busy platform's web servers hold open.
AT_ONCE = 100


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    data_dir = tmp_path / "data"
    seawall(data_dir, "bank", "create", "ours")
    new_surface(data_dir)
    return data_dir


async def upload_until_killed(server: Server, key: str, kill_after: int) -> list[str]:
    """Ids of every verdict that was answered; the server is killed when `kill_after` of them were."""
    answered: list[str] = []
    gate = asyncio.Semaphore(AT_ONCE)

    async def upload(client: httpx.AsyncClient, number: int) -> None:
        body = {"surface": "posts", "content_id": f"c{number}", "uploader": f"u{number}"}
        text = {"kind": "text", "text": f"a harmless sentence, number {number}"}
        async with gate:
            if server.process.poll() is not None:
                return
            try:
                if number % 20 == 0:
                    parts = '{"surface":"posts","parts":[{"kind":"image","file":"f"}]}'
                    files = {"f": ("a.jpg", PICTURE)}
                    answer = await client.post("/v1/screen", data={"request": parts}, files=files)
                else:
                    answer = await client.post("/v1/screen", json={**body, "parts": [text]})
            except httpx.TransportError:
                return
        if answer.status_code == httpx.codes.OK:
            answered.append(answer.json()["id"])
            if len(answered) == kill_after:
                server.kill()

    limits = httpx.Limits(max_connections=AT_ONCE)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, limits=limits, timeout=30) as client:
        await asyncio.gather(*(upload(client, number) for number in range(UPLOADS)))
    return answered


def kill_rounds(data_dir: Path, rounds: int) -> None:
    key = new_key(data_dir, "screen", "read")
    answered: list[str] = []
    server = Server(data_dir)
    for number in range(rounds):
        server.start()
        answered += asyncio.run(upload_until_killed(server, key, kill_after=37 + 41 * number % 900))
    with server, Client(server, key) as client:
        assert len(answered) >= rounds * 37
        lost = [one for one in answered if client.get(f"/v1/screenings/{one}").status_code != httpx.codes.OK]
        assert lost == []
    assert seawall(data_dir, "log", "verify", check=False).returncode == 0


def test_no_answered_verdict_is_lost_when_the_server_is_killed(data_dir: Path) -> None:
    kill_rounds(data_dir, 1)


@pytest.mark.kill
@pytest.mark.timeout(900)
def test_no_answered_verdict_is_lost_in_twenty_kills(data_dir: Path) -> None:
    kill_rounds(data_dir, 20)


def limit_file_size(size: int) -> Callable[[], None]:
    """For the child: no file may grow past this, which to SQLite is what a full disk is."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_gives_503_and_never_a_verdict(data_dir: Path) -> None:
    key = new_key(data_dir, "screen", "read")
    with Server(data_dir, preexec_fn=limit_file_size(400_000)) as server, Client(server, key) as client:
        answered, refused = [], 0
        for number in range(3_000):
            text = {"kind": "text", "text": f"harmless {number}"}
            answer = client.post("/v1/screen", json={"surface": "posts", "uploader": "u" * 300, "parts": [text]})
            if answer.status_code == httpx.codes.OK:
                answered.append(answer.json()["id"])
                continue
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
            problem = answer.json()
            assert (problem["code"], "verdict" in problem) == ("ledger_unavailable", False)
            assert problem["next_step"]
            assert "retry-after" in answer.headers
            refused += 1
            if refused == 5:
                break
        assert answered, "the disk was full before the first verdict"
        assert refused == 5, "the disk never filled up"
        assert client.get("/livez").status_code == httpx.codes.OK
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        body = {"surface": "posts", "parts": [{"kind": "text", "text": "there is room again"}]}
        wait_until(lambda: client.post("/v1/screen", json=body).status_code == httpx.codes.OK)
    with Server(data_dir) as server, Client(server, key) as client:
        assert all(client.get(f"/v1/screenings/{one}").status_code == httpx.codes.OK for one in answered[::25])
