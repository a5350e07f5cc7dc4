"""`python -m tests.stories.make_data_directory`: the small data directory that each release leaves behind.

Written as an operator and a platform would write it, by the command line and the screening API alone, into
`tests/vectors/data-directories/<version>/`: `data/`, and `expected.json` with what later releases must find in it
(`test_data_directories.py`). Its keys guard nothing but these made-up rows.
"""

import json
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.stories.serving import Client, Server, new_key, seawall

PLACE = Path(__file__).parents[1] / "vectors" / "data-directories"
PICTURES = Path(__file__).parents[2] / "src" / "seawall" / "doors" / "cli" / "demo"

#: Its days age and must be there all the same when a release opens it years later.
SETTINGS = "keep_unmatched_days = 36500\nkeep_matched_days = 36500\ndecoders = 1\n"

LIST = "type,value,quality,labels,source\n" + "".join(
    f"pdq,{number * 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251F86C6A11D0C18E95 % 2**256:064x},90,tvec,Example\n"
    for number in range(1, 6)
)

RULE = {
    "name": "forum",
    "action": "hold",
    "code": "tvec",
    "text": "Listed by the forum.",
    "public_text": "This is like something that is listed. A person will look.",
    "banks": ["forum"],
    "labels": [],
    "max_distance": 20,
}

#: What differs between processes and says nothing about the data.
LEFT_OUT = ("serve.lock", "*-shm", "*.log")

LARGEST = 1_000_000


def furnish(data_dir: Path, scratch: Path) -> str:
    """Banks, a policy, surfaces and a key; the key's text."""
    data_dir.mkdir(mode=0o700)
    (data_dir / "seawall.toml").write_text(SETTINGS)
    seawall(data_dir, "bank", "create", "ours", "--label", "tvec")
    seawall(data_dir, "bank", "add", "ours", str(PICTURES / "harbour.jpg"), "--note", "a drawing")
    seawall(data_dir, "bank", "add", "ours", "--text", "a listed sentence", "--url", "https://listed.example/page")
    seawall(data_dir, "bank", "create", "forum", "--listed-by", "Example Forum")
    listed = scratch / "list.csv"
    listed.write_text(LIST)
    seawall(data_dir, "bank", "import", "forum", str(listed))
    seawall(data_dir, "surface", "create", "posts", *declared("hold"))
    seawall(data_dir, "surface", "create", "avatars", *declared("closed"), "--no-store-unmatched")
    rules = json.loads(seawall(data_dir, "policy", "show", "--json").stdout)
    seawall(data_dir, "policy", "save", "-", "--note", "the forum", stdin=json.dumps([*rules, RULE]))
    return new_key(data_dir, "screen", "lookup", "hash", "read")


def declared(fail_mode: str) -> list[str]:
    return ["--audience", "public", "--fail-mode", fail_mode, "--hold-expiry", "refuse"]


def screen(client: Client) -> dict[str, str]:
    """One screening of each kind; its name and id."""
    edited = (PICTURES / "harbour-edited.jpg").read_bytes()
    research = {"claim": "research"}
    signals = [{"type": "pdq", "value": LIST.splitlines()[1].split(",")[1], "quality": 90}]
    answers = {
        "allowed picture": client.screen((PICTURES / "balloons.jpg").read_bytes(), uploader="somebody"),
        "blocked picture": client.screen(edited, content_id="post-1", uploader="somebody", idempotency_key="first"),
        "blocked text": client.screen(b"A  listed SENTENCE", kind="text"),
        "released hold": client.screen(edited, context=research, content_id="post-2"),
        "waiting hold": client.screen(edited, context=research, content_id="post-3"),
        "hash-only hold": client.post(
            "/v1/screen", json={"surface": "posts", "parts": [{"kind": "image", "signals": signals}]}
        ),
        "degraded": client.screen(b"no picture at all", kind="image"),
    }
    return {name: answer.raise_for_status().json()["id"] for name, answer in answers.items()}


def written(data_dir: Path, scratch: Path) -> dict[str, Any]:
    """Fill the directory; what is in it."""
    key = furnish(data_dir, scratch)
    with Server(data_dir) as server, Client(server, key) as client:
        ids = screen(client)
        seawall(data_dir, "release", ids["released hold"], "--reason", "research")
        found = {name: client.get(f"/v1/screenings/{one}").raise_for_status().json() for name, one in ids.items()}
    # A second run of the server leaves a checkpoint over the last batches, and a snapshot from the tables.
    with Server(data_dir):
        pass
    verified = json.loads(seawall(data_dir, "log", "verify", "--json").stdout)
    return {"version": version("seawall"), "key": key, "screenings": found, "leaves": verified["leaves"]}


def main() -> int:
    target = PLACE / version("seawall")
    if target.exists():
        sys.stderr.write(
            f"{target} is there already; a release's directory is written once. Remove it to write anew.\n"
        )
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        data_dir = Path(scratch) / "data"
        expected = written(data_dir, Path(scratch))
        size = sum(path.stat().st_size for path in data_dir.rglob("*") if path.is_file())
        if size > LARGEST:
            sys.stderr.write(f"{size} bytes are too many to keep for every release\n")
            return 1
        shutil.copytree(data_dir, target / "data", ignore=shutil.ignore_patterns(*LEFT_OUT))
    (target / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"{target}: {size} bytes, {len(expected['screenings'])} screenings\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
