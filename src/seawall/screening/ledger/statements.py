"""The named SQL files beside the code."""

from pathlib import Path


def read_statements(back_end: str) -> dict[str, str]:
    """Every statement of one back end (`sqlite` or `postgresql`) by its file's name."""
    directory = Path(__file__).with_name("sql") / back_end
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(directory.glob("*.sql"))}
