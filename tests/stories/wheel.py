"""What has to be in a wheel, and what must not: `python -m tests.stories.wheel FILE.whl` ends with 1 if it is wrong."""

import sys
import zipfile
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"

#: One of each kind; the sources say the rest.
KINDS = (
    "seawall/py.typed",
    "seawall/__init__.pyi",
    "seawall/locale/seawall.pot",
    "seawall/matching/sql/page.sql",
    "seawall/matching/testcard/seawall-test-card.png",
    "seawall/screening/migrations/0001_initial.py",
    "seawall/doors/api/templates/api/docs.html",
    "seawall/doors/api/assets/docs.css",
)
UNWANTED = ("tests/", "benchmarks/", "docs/", "native/", "build/", ".ci/")


def problems(wheel: Path, *, source: Path = SOURCE) -> list[str]:
    """What is missing in the wheel, and what is in it that should not be."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    ours = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    ours = {name for name in ours if "__pycache__" not in name and not name.endswith(".so")}
    found = [f"{name} is missing" for name in sorted((ours | set(KINDS)) - inside)]
    if not any(name.startswith("seawall_native") and name.endswith(".so") for name in inside):
        found.append("the compiled kernel is missing")
    for name in sorted(inside):
        top = name.partition("/")[0]
        if name.startswith(UNWANTED) or "__pycache__" in name or {"tests", "conftest.py"} & set(name.split("/")):
            found.append(f"{name} does not belong there")
        elif not top.startswith("seawall"):
            found.append(f"{name} would lie among other people's packages")
    return found


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1]))
    sys.stderr.write("".join(f"{one}\n" for one in wrong))
    sys.exit(bool(wrong))
