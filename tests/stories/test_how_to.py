"""How-to pages that use other programs than `seawall`: typed into a shell beside a running server."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.shown import HOW_TO, blocks, is_ours_alone, runnable
from tests.stories.serving import Server, environment, new_key, new_surface

DEMO = Path(__file__).parents[2] / "src" / "seawall" / "doors" / "cli" / "demo"
PAGES = [page for page in HOW_TO if not is_ours_alone(page)]

#: Shows that pages are typed as they stand, whichever pages there are.
SAMPLE = """\
# A page

```console
$ seawall key list
key_…  story  …
$ curl -sS http://127.0.0.1:8080/v1/hash \\
    -H "Authorization: Bearer $API_KEY" \\
    -F 'request={"parts": [{"kind": "image", "file": "photo"}]}' -F photo=@picture.jpg
{"parts":[
```

```sh
test -d seawall-data
sha256sum picture.jpg > sums.txt
```
"""

#: So long may one block take: a backup, a restore, a move.
SECONDS = 110


def set_out(place: Path, page: Path) -> None:
    """The files that pages speak of."""
    shutil.copy(DEMO / "harbour.jpg", place / "picture.jpg")
    shutil.copy(DEMO / "harbour-edited.jpg", place / "copy.jpg")
    (place / "secret.txt").write_text("an app password\n", encoding="utf-8")
    for block in blocks(page):
        if block.language == "csv":
            (place / "list.csv").write_text(block.body, encoding="utf-8")


def type_in(place: Path, command: str, env: dict[str, str]) -> str:
    """What bash prints of these lines in `place`; the first that fails ends them."""
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=place, env=env, capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip
    assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"
    return run.stdout + run.stderr


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    page = tmp_path / "sample.md"
    page.write_text(SAMPLE, encoding="utf-8")
    return page


@pytest.mark.parametrize("name", ["sample", *(page.stem for page in PAGES)])
def test_every_command_of_the_page(name: str, sample: Path, tmp_path: Path) -> None:
    page = sample if name == "sample" else next(page for page in PAGES if page.stem == name)
    set_out(tmp_path, page)
    with Server(tmp_path / "seawall-data", env={"SEAWALL_DECODERS": "1"}) as server:
        new_surface(server.data_dir)
        key = new_key(server.data_dir, "screen", "lookup", "hash", "read")
        here = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = environment(PATH=here, API_KEY=key, SEAWALL_DECODERS="1")
        for command, printed in runnable(page):
            said = type_in(tmp_path, command.replace("http://127.0.0.1:8080", server.url), env)
            for line in printed:
                pattern = re.escape(line).replace("…", r"\S+")
                assert re.search(pattern, said), (line, said)
    assert name != "sample" or (tmp_path / "sums.txt").exists()


def test_a_command_that_fails_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no-such-program"):
        type_in(tmp_path, "no-such-program --now", environment())
