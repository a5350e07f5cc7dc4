"""Documents that cannot rot: links lead somewhere, commands exist, generated pages are in step with the code."""

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from docs.generate import PAGES
from seawall.doors.cli.invocation import everywhere
from seawall.doors.cli.root import root
from seawall.settings import BUILD_VARIABLES, PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changes.d").glob("*.md")]
    if ".venv" not in path.parts
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MAKE = re.compile(r"`make ([a-z-]+)")
SETTINGS = Settings.__struct_fields__
#: The word behind the fence is its language; a remark may follow it, such as `no-run: needs systemd`.
FENCED = re.compile(r"```\w*(?: [^\n`]*)?\n(.*?)```", re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?seawall ([a-z-].*)$")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for link in LINK.findall(text):
        if link.startswith(("http://", "https://")):
            continue
        place, _, anchor = link.partition("#")
        target = (document.parent / place).resolve() if place else document
        assert target.exists(), f"{named(document)} links to {link}, which is not there"
        if anchor:
            headings = {heading_anchor(heading) for heading in HEADING.findall(target.read_text(encoding="utf-8"))}
            assert anchor in headings, f"{named(document)} links to {link}: there is no such heading"


def heading_anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_make_target_named_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(MAKE.findall(document.read_text(encoding="utf-8"))) <= targets


def commands_of(text: str) -> Iterator[list[str]]:
    """Words of every `seawall …` that a document shows, in a line of its own or inside a sentence."""
    shown = [line.strip() for block in FENCED.findall(text) for line in block.splitlines()]
    shown += [line.strip() for line in text.splitlines() if line.startswith("    ")]
    shown += CODE.findall(FENCED.sub("", text))
    for line in shown:
        found = COMMAND.match(line)
        if found:
            yield shlex.split(found.group(1).partition(" | ")[0], comments=True)


def unknown_in(words: list[str]) -> str:
    """The first word that the command line does not know; empty when there is none."""
    command: click.Command = root
    options = {name for option in everywhere() for name in option.opts} | {"--help", "-h", "--version"}
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("--"):
            known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
            if name not in options | known:
                return word
        elif isinstance(command, click.Group) and name in command.commands:
            command = command.commands[name]
        elif isinstance(command, click.Group) and name != "…":
            return word
    return ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_shown_exists_with_its_options(document: Path) -> None:
    if document.name == "cli.md":
        return  # written from the commands themselves
    for words in commands_of(document.read_text(encoding="utf-8")):
        # The value of an option that stands before the command is no command.
        while words[:1] and words[0] in {"--data-dir", "--database-url"}:
            words = words[2:]  # noqa: PLW2901 - cut as it is read
        assert unknown_in(words) == "", f"{named(document)} shows: seawall {' '.join(words)}"


def test_a_command_that_is_not_there_is_noticed() -> None:
    shown = "Use `seawall bank burn x`, or:\n\n    seawall bank add ours --colour red\n"
    assert [unknown_in(words) for words in commands_of(shown)] == ["--colour", "burn"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_module_shown_can_be_run(document: Path) -> None:
    for name in re.findall(r"python -m ([a-z_.]+[a-z_])", document.read_text(encoding="utf-8")):
        assert name in {"pip", "venv"} or find_spec(name) is not None, name


def of_an_index(text: str) -> list[str]:
    """Commands that would ask a package index for Seawall, where somebody else may give anything that name."""
    return re.findall(r"pip install[^`\n]*[ '\"]seawall(?![\w./*…-]).*", text)


def test_nobody_is_told_to_install_seawall_from_an_index() -> None:
    """Until it is published it is installed by the name of its file (DESIGN, decided)."""
    sources = [*DOCUMENTS, *(path for path in (ROOT / "src").rglob("*") if path.suffix in {".py", ".html", ".pot"})]
    assert {named(path): found for path in sources if (found := of_an_index(path.read_text(encoding="utf-8")))} == {}
    assert of_an_index("pip install 'seawall[postgresql]'")
    assert of_an_index("pip install --upgrade seawall\n")
    assert not of_an_index("seawall-env/bin/pip install ./seawall-*.whl\npip install --upgrade seawall-….whl")


def test_pages_named_in_the_code_are_there() -> None:
    sources = [path for top in ("src", "native", "benchmarks", "tests") for path in (ROOT / top).rglob("*")]
    for path in sources:
        if path.suffix in {".py", ".cpp", ".hpp", ".html", ".sql"}:
            for page in re.findall(r"docs/[a-z/-]+\.md", path.read_text(encoding="utf-8")):
                assert (ROOT / page).exists(), f"{named(path)} names {page}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_no_example_sets_a_variable_that_stops_every_command(document: Path) -> None:
    """An unknown SEAWALL_… is an error, so an example that uses one would break the reader's next command."""
    allowed = {f"{PREFIX}{name.upper()}" for name in SETTINGS} | BUILD_VARIABLES
    for name in re.findall(rf"\b{PREFIX}[A-Z][A-Z_]+", document.read_text(encoding="utf-8")):
        assert name in allowed, name


@pytest.mark.parametrize("place", PAGES)
def test_generated_pages_are_in_step(place: str) -> None:
    assert (ROOT / place).read_text(encoding="utf-8") == PAGES[place](), "run `python -m docs.generate`"


def test_every_setting_is_explained() -> None:
    page = PAGES["docs/reference/settings.md"]()
    rows = {name: next(row for row in page.splitlines() if row.startswith(f"| `{name}`")) for name in SETTINGS}
    unexplained = [name for name, row in rows.items() if row.endswith("|  |")]
    assert unexplained == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_no_document_names_a_place_of_somebodys_machine(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(home|root|work|Users)/", text)
