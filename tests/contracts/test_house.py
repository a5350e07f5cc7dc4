"""The house stands: each import contract catches a planted violation, and no junk drawer exists at any depth."""

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "seawall"

#: Names that say nothing about what is inside (DESIGN §3).
JUNK_DRAWERS = {
    "utils",
    "util",
    "common",
    "core",
    "lib",
    "libs",
    "helpers",
    "helper",
    "misc",
    "shared",
    "tools",
    "base",
}

#: Contract → where to plant what, so that exactly this contract must break.
VIOLATIONS = {
    "The house: each room may only use the rooms below it": ("record/planted.py", "import seawall.screening.flow"),
    "Doors do not lead into each other": ("doors/gate/planted.py", "import seawall.doors.cli"),
    "Signal kinds do not know each other": ("signals/text/planted.py", "import seawall.signals.image"),
    "No circles anywhere": ("record/clock.py", "import seawall.record.ids"),
    "The arrow code knows no framework, database or network": ("screening/flow.py", "import sqlite3"),
    "Only the image signals and the index touch the native kernel": ("screening/planted.py", "import seawall_native"),
    "Nothing stored or received is ever unpickled": ("record/planted.py", "import pickle"),
}


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts on the package below `root`.

    Without -S the editable install's import hook would lead the linter back to the original.
    """
    return subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
            "--config",
            str(ROOT / "importlinter.ini"),
        ],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), sysconfig.get_path("purelib")])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(PACKAGE, tmp_path / "seawall", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_house_keeps_its_contracts(copy: Path) -> None:
    result = lint_imports(copy)
    assert result.returncode == 0, result.stdout


def test_every_contract_has_a_planted_violation() -> None:
    named = [
        line.removeprefix("name = ").strip()
        for line in (ROOT / "importlinter.ini").read_text().splitlines()
        if line.startswith("name = ")
    ]
    assert len(named) == len(VIOLATIONS)
    assert all(any(name.startswith(contract) for contract in VIOLATIONS) for name in named)


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_each_contract_catches_its_violation(copy: Path, contract: str) -> None:
    place, violation = VIOLATIONS[contract]
    with (copy / "seawall" / place).open("a") as planted:
        planted.write(f"\n{violation}\n")
    result = lint_imports(copy)
    assert result.returncode == 1
    broken = [line for line in result.stdout.splitlines() if " BROKEN" in line]
    assert any(line.startswith(contract) for line in broken), result.stdout


@pytest.mark.parametrize("where", ["src", "tests", "native", "benchmarks", "docs"])
def test_there_is_no_junk_drawer(where: str) -> None:
    names = [path for path in (ROOT / where).rglob("*") if path.is_dir() or path.suffix in {".py", ".cpp", ".hpp"}]
    ours = [path for path in names if "vectors" not in path.parts]  # the test pictures keep their data set's folders
    assert [str(path) for path in ours if path.stem.strip("_").lower() in JUNK_DRAWERS] == []


@pytest.mark.parametrize(
    "planted",
    [
        "from seawall import fingerprint\n",
        "import seawall\n\nprint(seawall.screen)\n",
        "import urllib.request\n",
        "from urllib.request import urlopen\n",
    ],
)
def test_ruff_bans_the_root_package_and_urllib_inside_rooms(tmp_path: Path, planted: str) -> None:
    room = tmp_path / "src" / "seawall" / "signals"
    room.mkdir(parents=True)
    (room / "planted.py").write_text(planted)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    result = subprocess.run(
        [str(Path(sys.executable).parent / "ruff"), "check", "--no-cache", "--select", "TID251,ICN003", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "is banned" in result.stdout or "should not be imported explicitly" in result.stdout


def imports_of_the_root(source: str) -> list[int]:
    """Lines that import the root package itself, or bind its name."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                # `import seawall.signals as signals` binds the room alone.
                bound = alias.name if alias.asname else alias.name.partition(".")[0]
                found += [node.lineno] if bound == "seawall" else []
        elif isinstance(node, ast.ImportFrom) and node.module == "seawall" and not node.level:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "planted", ["import seawall", "import seawall as x", "import seawall.signals", "from seawall import new_id"]
)
def test_a_planted_import_of_the_root_package_is_found(planted: str) -> None:
    assert imports_of_the_root(planted) == [1]


def test_nothing_in_the_house_imports_the_root_package() -> None:
    """Ruff bans a few names of it; this bans every use, under whatever name."""
    found = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := imports_of_the_root(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_no_import_hides_under_type_checking() -> None:
    """Circles would hide there; contracts count such imports, and we do not write any (STYLE, "Figures")."""
    hiding = [str(path) for path in PACKAGE.rglob("*.py") if "TYPE_CHECKING" in path.read_text()]
    assert hiding == []
