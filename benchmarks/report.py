"""A run as a Markdown table and as JSON."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.model import Figure, Part, Ratio, Report, Row

RESULTS = Path(__file__).parent / "results"

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def write(report: Report, directory: Path = RESULTS) -> tuple[Path, Path]:
    """`<started>-<size>.json` and `.md`; earlier runs stay."""
    directory.mkdir(parents=True, exist_ok=True)
    stem = f"{report.started.replace(':', '')}-{report.size}"
    as_json, as_markdown = directory / f"{stem}.json", directory / f"{stem}.md"
    as_json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    as_markdown.write_text(markdown(report), encoding="utf-8")
    return as_json, as_markdown


def put_into(page: Path, report: Report) -> None:
    """Replace what stands between the page's two marks."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks {BEGIN} or {END}: put both lines where the table belongs")
    page.write_text(f"{before}{BEGIN}\n{markdown(report)}{END}{after}", encoding="utf-8")


def markdown(report: Report) -> str:
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    measured = (
        f"Measured {report.started}, size `{report.size}`, on {machine.processor} "
        f"({', '.join(machine.features) or 'no vector features'}), {machine.cores} cores, {machine.memory_gib} GiB, "
        f"{machine.system}; load before the run {machine.load_before}."
    )
    lines = [measured, f"Versions: {versions}.", ""]
    for row in report.rows:
        lines += _row(row)
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(row: Row) -> Iterator[str]:
    yield from (f"### {row.name}: {row.work}", "", f"`{row.command}`", "")
    yield "| | subject | figure: median (lowest to highest round) |"
    yield "|---|---|---|"
    for part in row.parts:
        yield from (_figure_line(part, figure) for figure in part.figures)
    yield ""
    if any(part.ratios for part in row.parts):
        yield "| | Seawall | times as fast as | ratio (worst to best round) | goal | beyond | |"
        yield "|---|---|---|---|---|---|---|"
        for part in row.parts:
            yield from (_ratio_line(part, ratio) for ratio in part.ratios)
        yield ""
    yield from (f"- Checked in this run: {check}." for check in row.checks)
    yield from (f"- {note}." for note in row.notes)
    yield from (f"- {name} is not installed, so there is no ratio to it: run `make bench`." for name in row.missing)
    yield ""


def _figure_line(part: Part, figure: Figure) -> str:
    spread = f"{number(figure.median)} {figure.unit} ({number(figure.low)} to {number(figure.high)})"
    return f"| {part.name} | {figure.subject} | {spread}, {figure.rounds} rounds |"


def _ratio_line(part: Part, ratio: Ratio) -> str:
    spread = f"{number(ratio.median)}x ({number(ratio.low)} to {number(ratio.high)})"
    goal = f"{ratio.goal.least:g}x" if ratio.goal else "none"
    beyond = f"{ratio.goal.beyond:g}x" if ratio.goal and ratio.goal.beyond else ""
    return f"| {part.name} | {ratio.subject} | {ratio.peer} | {spread} | {goal} | {beyond} | {ratio.result} |"


def number(value: float) -> str:
    """Three figures that count; whole thousands with a comma."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
