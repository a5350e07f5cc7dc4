"""`make check-all` without root: it installs nothing, prints the exact line to run, and exits 2."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MISSING = "seawall-no-such-package"


def test_without_root_the_exact_line_is_printed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / ".ci" / "packages").write_text(f"# one that nobody has\n{MISSING}\n")
    for place in (tmp_path, *tmp_path.parents):
        mode = place.stat().st_mode
        if not mode & 0o005:  # pytest's own directories, which only we may enter
            place.chmod(mode | 0o055)
    run = subprocess.run(
        ["bash", str(tmp_path / ".ci" / "check-all")],
        user="nobody" if os.geteuid() == 0 else None,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert f"apt-get install -y --no-install-recommends {MISSING}" in run.stdout.splitlines()[-1]
