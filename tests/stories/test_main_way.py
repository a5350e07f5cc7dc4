"""From an empty directory to a refused upload: bank, key, surface, server, and the reason why."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from seawall.matching import testcard
from tests.conftest import BACK_ENDS
from tests.postgresql import PostgresServer
from tests.stories.serving import Client, Server, new_key, new_surface, seawall, wait_until

PICTURES = Path(__file__).parents[1] / "vectors" / "images"
BRIDGES = sorted((PICTURES / "bridge-mods").glob("*.jpg"))
OTHERS = [PICTURES / "misc" / "wee.jpg", PICTURES / "misc" / "small.jpg"]
#: Larger pictures of the same set, which are not part of the project.
LARGE = Path(__file__).parents[3] / "shared" / "data" / "images" / "misc"


@pytest.fixture(scope="module", params=BACK_ENDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on an empty data directory, with a bank and a surface, on each database."""
    data_dir = tmp_path_factory.mktemp("main-way") / "data"
    env = {}
    if request.param == "postgresql":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        postgres.create("main_way")
        env["SEAWALL_DATABASE_URL"] = postgres.url("main_way")
    seawall(data_dir, "bank", "create", "ours", "--label", "tvec", env=env)
    new_surface(data_dir, env=env)
    with Server(data_dir, env=env) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    key = new_key(server.data_dir, "screen", "lookup", "hash", "read", env=server.env)
    with Client(server, key) as client:
        # A key and a bank made beside a running server work within a second, without a restart.
        wait_until(lambda: client.post("/v1/lookup", json={"signals": []}).status_code != httpx.codes.UNAUTHORIZED)
        seawall(server.data_dir, "bank", "add", "ours", str(BRIDGES[0]), env=server.env)
        wait_until(lambda: client.screen(BRIDGES[0].read_bytes()).json()["verdict"] == "block")
        yield client


@pytest.mark.parametrize("picture", BRIDGES, ids=lambda path: path.stem)
def test_every_edit_of_the_listed_picture_is_stopped_with_its_distance(client: Client, picture: Path) -> None:
    answer = client.screen(picture.read_bytes(), content_id="post-1")
    verdict = answer.json()
    assert (answer.status_code, verdict["verdict"]) == (200, "block"), verdict
    nearest = min(match["distance"] for match in verdict["matches"] if match["type"] == "pdq")
    assert nearest <= 16
    assert verdict["matches"][0]["bank"] == "ours"
    assert "tvec" in verdict["matches"][0]["labels"]
    assert verdict["reasons"]
    assert verdict["public_reason"]
    assert verdict["content_id"] == "post-1"


@pytest.mark.parametrize("picture", OTHERS, ids=lambda path: path.stem)
def test_other_pictures_pass_and_lie_far_away(client: Client, picture: Path) -> None:
    verdict = client.screen(picture.read_bytes()).json()
    assert (verdict["verdict"], verdict["matches"]) == ("allow", [])
    original = client.screen(BRIDGES[0].read_bytes()).json()
    assert (pdq_of(verdict) ^ pdq_of(original)).bit_count() >= 122


@pytest.mark.parametrize("name", ["c.png", "pen-and-coaster.png"])
def test_large_other_pictures_pass_too(client: Client, name: str) -> None:
    if not (LARGE / name).exists():
        pytest.skip("the large pictures are not in ../shared")
    test_other_pictures_pass_and_lie_far_away(client, LARGE / name)


def pdq_of(verdict: dict[str, Any]) -> int:
    (value,) = [signal["value"] for signal in verdict["signals"] if signal["type"] == "pdq"]
    return int(value, 16)


def test_hash_only_screening_keeps_the_content_at_home(client: Client) -> None:
    original = client.screen(BRIDGES[0].read_bytes()).json()
    signals = [
        {"type": one["type"], "value": one["value"], "quality": one["quality"]}
        for one in original["signals"]
        if one["type"] == "pdq"
    ]
    body = {"surface": "posts", "parts": [{"kind": "image", "signals": signals}]}
    assert client.post("/v1/screen", json=body).json()["verdict"] == "block"


def test_asking_for_a_person_makes_it_a_hold_that_the_command_line_decides(client: Client, server: Server) -> None:
    context = {"claim": "journalism", "text": "Our own report."}
    held = client.screen(BRIDGES[1].read_bytes(), context=context).json()
    assert held["verdict"] == "hold"
    assert held["hold_expires_at"]
    state = client.get(f"/v1/screenings/{held['id']}").json()
    assert state["hold"]["state"] == "waiting"
    seawall(server.data_dir, "release", held["id"], "--reason", "journalism", env=server.env)
    assert client.get(f"/v1/screenings/{held['id']}").json()["hold"]["state"] == "released"


def test_the_test_card_always_matches(client: Client) -> None:
    body = {"surface": "posts", "parts": [{"kind": "text", "text": f"  {testcard.TEXT.upper()} "}]}
    verdict = client.post("/v1/screen", json=body).json()
    assert (verdict["verdict"], verdict["matches"][0]["bank"]) == ("block", "test-card")


def test_a_stranger_sees_nothing(server: Server) -> None:
    with httpx.Client(base_url=server.url) as stranger:
        for method, path in (
            ("POST", "/v1/screen"),
            ("POST", "/v1/screen/batch"),
            ("POST", "/v1/lookup"),
            ("POST", "/v1/hash"),
            ("GET", "/v1/screenings/scr_01933b6e-0000-7000-8000-000000000001"),
        ):
            answer = stranger.request(method, path)
            assert answer.status_code == httpx.codes.UNAUTHORIZED
            assert answer.headers["content-type"] == "application/problem+json"


def test_the_log_holds_and_one_directory_has_one_server(client: Client, server: Server) -> None:
    seawall(server.data_dir, "log", "verify", env=server.env)
    second = seawall(server.data_dir, "serve", check=False, env=server.env)
    assert second.returncode == 1
    assert "already served by process" in second.stderr
