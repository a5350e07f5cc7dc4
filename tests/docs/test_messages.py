"""Texts for people can be translated: each is in the template, and a catalogue in its place changes what they read."""

import ast
import os
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import messages

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "seawall"
TEMPLATE = PACKAGE / "locale" / "seawall.pot"

#: Two words in a row are a sentence for people; one alone may be a code.
SENTENCE = re.compile(r"[A-Za-z]{2,},? [a-z]{2,}")

#: Calls whose texts people read, and which of their arguments those are.
TOLD = {"say", "note", "Trouble", "UsageError", "BadParameter", "fail", "Unusable", "Finding", "progress", "table"}
NAMED = {"help", "short_help", "text", "next_step"}

#: Words that no program and no command line translates.
COMMAND_LINES = ("chmod 700 ",)


def literals(node: ast.AST) -> Iterator[str]:
    """Texts that stand in an expression and not inside `_()`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for child in ast.iter_child_nodes(node):
        yield from literals(child)


def untranslatable(source: str) -> list[str]:
    """Sentences that are told to people without `_()`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        told = list(node.args) if name in TOLD else []
        told += [word.value for word in node.keywords if word.arg in NAMED and (name in TOLD or "help" in word.arg)]
        found += [text for one in told for text in literals(one) if SENTENCE.search(text)]
    return [text for text in found if not text.startswith(COMMAND_LINES)]


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "doors" / "cli").rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_every_sentence_of_the_command_line_goes_through_gettext(path: Path) -> None:
    assert untranslatable(path.read_text(encoding="utf-8")) == []


def test_a_planted_sentence_is_found() -> None:
    assert untranslatable("invocation.say(f'hello dear {name}')") == ["hello dear "]
    assert untranslatable("click.option('--x', help='Some words here.')") == ["Some words here."]
    assert untranslatable("invocation.say(_('hello dear {name}').format(name=name))") == []


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.html")), ids=lambda path: path.name)
def test_templates_have_no_words_outside_their_tags(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"(?s){#.*?#}|{% comment.*?endcomment %}|{% blocktranslate.*?endblocktranslate %}", "\n", text)
    text = re.sub(r"(?s){%.*?%}|{{.*?}}|<pre.*?</pre>|<code>seawall(?: [a-z-]+)+</code>|<[^>]*>", "\n", text)
    assert [line for line in text.splitlines() if SENTENCE.search(line)] == []


@pytest.mark.parametrize("given", ["_(text)", "_(f'a {b}')", "_('a' + b)", "lazy(a)", "ngettext('a', b, 2)"])
def test_what_no_translator_would_see_is_refused(given: str) -> None:
    with pytest.raises(messages.NotATextError, match="line 1"):
        list(messages.in_code(given, "planted.py"))


def template_entries() -> list[str]:
    """The texts of the template as a tool of gettext reads them."""
    found = re.findall(r'^msgid "(.*)"$', TEMPLATE.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"\\(.)", lambda one: {"n": "\n"}.get(one[1], one[1]), text) for text in found[1:]]


def test_the_template_has_each_text_once() -> None:
    entries = template_entries()
    assert len(entries) == len(set(entries)) > 200
    assert "Screening API" in entries
    assert "Example for %(path)s" in entries
    assert "What may it do?" in entries, "the labels of forms"


def test_texts_for_one_and_for_several_stand_together() -> None:
    assert list(messages.in_code("ngettext('{n} bit', '{n} bits', n)", "planted.py")) == [("{n} bit", "{n} bits")]
    text = TEMPLATE.read_text(encoding="utf-8")
    assert 'msgid "%(count)s person asked."\nmsgid_plural "%(count)s people asked."\nmsgstr[0] ""\n' in text
    assert 'msgid "%(hours)s hour"\nmsgid_plural "%(hours)s hours"\n' in text


def write_catalogue(path: Path, translations: dict[str, str]) -> None:
    """A .mo file: header, the tables of lengths and offsets, the texts."""
    pairs = {"": "Content-Type: text/plain; charset=UTF-8\n", **translations}
    tables, texts = [b"", b""], b""
    start = 28 + 16 * len(pairs)
    for number, side in enumerate(zip(*sorted(pairs.items()), strict=True)):
        for text in side:
            encoded = text.encode()
            tables[number] += struct.pack("<II", len(encoded), start + len(texts))
            texts += encoded + b"\0"
    head = struct.pack("<IIIIIII", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + tables[0] + tables[1] + texts)


#: Prints every help text of the command line, a failure, and the page, as somebody with that catalogue sees them.
LOOK = """
import sys
from pathlib import Path
import click
from seawall.doors.cli.root import root

def walk(command):
    yield command.help
    yield from (param.help for param in command.params if isinstance(param, click.Option) and param.name != 'help')
    for child in getattr(command, 'commands', {}).values():
        yield from walk(child)

for text in walk(root):
    print(text.split()[0] if not text.startswith('Show the version') else '«')
print('--')
try:
    root(['--data-dir', sys.argv[1], 'bank', 'list'])
except SystemExit:
    pass
from seawall import app
from seawall.settings import Settings
app.bind(Settings(data_dir=Path(sys.argv[1])))
from django.conf import settings
from django.utils import translation
with translation.override('eo'):
    print(translation.gettext('Screening API'), settings.LANGUAGES)
"""


def test_a_catalogue_in_its_place_is_what_people_read(tmp_path: Path) -> None:
    """Every text of the command line is marked in a made-up translation, so one that goes past gettext shows."""
    shutil.copytree(PACKAGE, tmp_path / "seawall", ignore=shutil.ignore_patterns("__pycache__"))
    place = tmp_path / "seawall" / "locale" / "eo" / "LC_MESSAGES"
    for domain in ("seawall", "django"):
        write_catalogue(place / f"{domain}.mo", {text: f"«{text}»" for text in template_entries()})
    said = subprocess.run(
        [sys.executable, "-S", "-c", LOOK, "nowhere"],
        cwd=tmp_path,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("SEAWALL_")},
            "PYTHONPATH": os.pathsep.join([str(tmp_path), sysconfig.get_path("purelib")]),
            "PYTHONIOENCODING": "utf-8",
            "LANGUAGE": "eo",
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert said.returncode == 0, said.stderr
    helps, _, rest = said.stdout.partition("--\n")
    assert len(helps.split()) > 100
    assert [word for word in helps.split() if not word.startswith("«")] == []
    assert "«no data directory at nowhere»" in said.stderr
    assert rest.startswith("«Screening API» [('en', 'English'), ('eo', 'Esperanto')]")
