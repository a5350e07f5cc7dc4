"""What makes the wheels is right: the check of their contents, the pins, and the recipe for other platforms.

That the wheel of this platform installs and serves without a compiler is shown by `.ci/wheel`, which asks pip's index
and is therefore a step of `make check-all` of its own.
"""

import fnmatch
import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.stories.wheel import KINDS, problems

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
KERNEL = "seawall_native.cpython-311-x86_64-linux-gnu.so"

#: The options of cibuildwheel 3 that the table may use; a misspelt one would be an error on its first run only.
OPTIONS = {
    "build", "skip", "archs", "build-frontend", "environment", "test-command", "test-requires", "before-all",
    "manylinux-x86_64-image", "manylinux-aarch64-image", "linux", "macos",
}  # fmt: skip


def packed(place: Path, *names: str) -> Path:
    wheel = place / "seawall-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return wheel


def sources(place: Path) -> Path:
    for name in KINDS:
        (place / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "src" / name).touch()
    return place / "src"


class TestContents:
    def test_a_whole_one_passes(self, tmp_path: Path) -> None:
        wheel = packed(tmp_path, *KINDS, KERNEL, "seawall-1.dist-info/METADATA")
        assert problems(wheel, source=sources(tmp_path)) == []

    @pytest.mark.parametrize("name", [*KINDS, KERNEL])
    def test_whatever_is_missing_is_named(self, tmp_path: Path, name: str) -> None:
        wheel = packed(tmp_path, *({*KINDS, KERNEL} - {name}))
        (found,) = problems(wheel, source=sources(tmp_path))
        assert "missing" in found

    @pytest.mark.parametrize(
        "name",
        [
            "tests/conftest.py",
            "seawall/record/tests/x.py",
            "seawall/conftest.py",
            "seawall/__pycache__/a.pyc",
            "docs/page1.md",
            "other.py",
        ],
    )
    def test_whatever_does_not_belong_there_is_named(self, tmp_path: Path, name: str) -> None:
        (found,) = problems(packed(tmp_path, *KINDS, KERNEL, name), source=sources(tmp_path))
        assert found.startswith(name)


class TestPins:
    def pins(self, *arguments: str) -> str:
        return subprocess.check_output([sys.executable, str(ROOT / ".ci" / "pins.py"), *arguments], text=True)

    def test_they_are_what_seawall_needs_and_nothing_for_development(self) -> None:
        text = self.pins()
        names = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
        asked = {re.split(r"[\[<>=~! ]", one)[0].lower() for one in PROJECT["project"]["dependencies"]}
        assert asked <= names
        assert {"asgiref", "sqlparse", "fido2"} <= names, "what they need in turn"
        assert not {"pytest", "mypy", "ruff", "playwright", "sphinx", "httpx"} & names
        assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=[a-z0-9])", text.strip()))
        lock = (ROOT / "locks" / "dev.txt").read_text(encoding="utf-8")
        assert text.count("\nnumpy==") == lock.count("\nnumpy=="), "one for each Python"

    def test_a_wheel_is_pinned_by_its_own_hash(self, tmp_path: Path) -> None:
        wheel = packed(tmp_path, "seawall/py.typed")
        last = self.pins(str(wheel)).splitlines()[-1]
        assert last == f"{wheel.as_uri()} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"


class TestRecipe:
    table: dict[str, Any] = PROJECT["tool"]["cibuildwheel"]

    def test_its_options_exist(self) -> None:
        used = {*self.table, *self.table["linux"], *self.table["macos"]}
        assert used - OPTIONS == set()

    def test_it_builds_for_every_python_we_support_on_both_processors(self) -> None:
        assert {"x86_64", "aarch64"} <= set(self.table["linux"]["archs"])
        for python in ("cp311", "cp312", "cp313", "cp314"):
            for platform, wanted in (
                ("manylinux_x86_64", True),
                ("manylinux_aarch64", True),
                ("musllinux_x86_64", False),
            ):
                name = f"{python}-{platform}"
                built = any(fnmatch.fnmatch(name, one) for one in self.table["build"].split())
                skipped = any(fnmatch.fnmatch(name, one) for one in self.table["skip"].split())
                assert (built and not skipped) is wanted, name
        assert PROJECT["project"]["requires-python"] == ">=3.11"

    def test_a_kernel_that_cannot_be_built_is_an_error_everywhere(self) -> None:
        for table in (self.table, self.table["macos"]):
            assert table["environment"]["SEAWALL_REQUIRE_EXT"] == "1"

    def test_its_trial_exists_and_tells_a_source_tree_from_a_wheel(self) -> None:
        (name,) = re.findall(r"\{project\}/(\S+)", self.table["test-command"])
        said = subprocess.run([sys.executable, str(ROOT / name)], capture_output=True, text=True, check=False)
        assert (said.returncode, said.stderr) == (1, "")
        assert said.stdout == "this is the source tree, not an installed wheel\n"
