"""The wheel holds everything, and where it cannot be compiled it installs and runs all the same, and says so.

Each wheel is built from a copy of the tree and installed in an environment of its own, whose dependencies are those of
the environment that runs the tests: no package index is asked.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.stories.serving import Server, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
#: What a wheel is built from.
SOURCES = ("pyproject.toml", "CMakeLists.txt", "README.md", "LICENSE", "NOTICE", "native", "src")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
BROKEN_COMPILER = {"CXX": "/bin/false"}


def build(place: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Build a wheel into `place` from a fresh copy of the tree, with these variables and no other of ours."""
    copy = place / "tree"
    copy.mkdir(parents=True)
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    command = [*PIP, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", str(place), str(copy)]
    return subprocess.run(command, env=environment(**variables), capture_output=True, text=True, check=False)


def wheel(place: Path, **variables: str) -> Path:
    built = build(place, **variables)
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = place.glob("*.whl")
    return found


def install(found: Path, place: Path) -> Path:
    """The Python of a new environment with this wheel and, of the present one, everything but Seawall."""
    packages = place / "packages"
    packages.mkdir()
    for library in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(library).iterdir():
            if not entry.name.startswith(("seawall", "_editable", "__editable__", "pip")):
                (packages / entry.name).symlink_to(entry)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / "venv")], check=True)
    python = place / "venv" / "bin" / "python"
    library = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    (Path(library.strip()) / "packages.pth").write_text(f"{packages}\n")
    options = ["install", "--no-deps", "--no-index", "--no-compile", "-q"]
    subprocess.run([*PIP, "--python", str(python), *options, str(found)], check=True)
    return python


def doctor(python: Path, place: Path) -> dict[str, dict[str, str]]:
    command = [str(python), "-m", "seawall", "--data-dir", str(place / "nothing"), "--json", "doctor"]
    said = subprocess.run(command, env=environment(), cwd=place, capture_output=True, text=True, check=False)
    assert said.returncode in {0, 1}, said.stderr
    return {line["about"]: line for line in map(json.loads, said.stdout.splitlines())}


def demonstrate(python: Path, place: Path) -> None:
    """`seawall demo` of that environment stops the edited picture and lets the other one pass."""
    server = Server(place / "demo", env={"SEAWALL_DECODERS": "1"}, command=("demo",), cwd=place)
    server._command[0] = str(python)
    request = '{"surface": "posts", "parts": [{"kind": "image", "file": "picture"}]}'
    with server:
        key = (server.data_dir / "demo-key.txt").read_text().strip()
        for name, verdict in (("harbour-edited", "block"), ("balloons", "allow")):
            answer = httpx.post(
                f"{server.url}/v1/screen",
                headers={"Authorization": f"Bearer {key}"},
                data={"request": request},
                files={"picture": (server.data_dir / "pictures" / f"{name}.jpg").read_bytes()},
                timeout=60,
            )
            assert answer.json()["verdict"] == verdict
        page = httpx.get(f"{server.url}/docs")
        assert (page.status_code, "Screening API" in page.text) == (200, True)


def test_the_wheel_has_everything_and_runs(tmp_path: Path) -> None:
    found = wheel(tmp_path, SEAWALL_REQUIRE_EXT="1")
    inside = set(zipfile.ZipFile(found).namelist())
    source = ROOT / "src"
    ours = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    ours = {name for name in ours if "__pycache__" not in name and not name.endswith(".so")}
    assert ours <= inside
    assert {"seawall/py.typed", "seawall/__init__.pyi", "seawall/matching/sql/page.sql"} <= inside
    assert [name for name in inside if name.startswith("seawall_native")]
    python = install(found, tmp_path)
    assert doctor(python, tmp_path)["kernel"]["health"] == "ok"
    demonstrate(python, tmp_path)


@pytest.mark.parametrize("variables", [{"SEAWALL_NO_EXT": "1"}, BROKEN_COMPILER], ids=["not wanted", "broken"])
def test_without_a_compiler_it_runs_on_the_reference_and_says_so(tmp_path: Path, variables: dict[str, str]) -> None:
    found = wheel(tmp_path, **variables)
    assert found.name.endswith("-py3-none-any.whl")
    python = install(found, tmp_path)
    kernel = doctor(python, tmp_path)["kernel"]
    assert (kernel["health"], "numpy" in kernel["text"]) == ("warn", True)
    assert "SEAWALL_REQUIRE_EXT=1" in kernel["next_step"]
    demonstrate(python, tmp_path)


def test_where_the_kernel_is_required_a_broken_compiler_is_an_error(tmp_path: Path) -> None:
    built = build(tmp_path, **BROKEN_COMPILER, SEAWALL_REQUIRE_EXT="1")
    assert built.returncode != 0
    assert not list(tmp_path.glob("*.whl"))
    assert os.access("/bin/false", os.X_OK)
