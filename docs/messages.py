"""The texts for people, as a gettext template: what translators start from. `python -m docs.generate` writes it.

In: the `_("…")`, `lazy("…")` and `ngettext("…", "…", …)` of the code and the `translate` tags of the templates. Out:
`src/seawall/locale/seawall.pot`, without line numbers, so that it changes only when a text does.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.utils.translation.template import templatize

PACKAGE = Path(__file__).parents[1] / "src" / "seawall"

#: A text in what Django makes of a template for xgettext.
_STRING = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_IN_TEMPLATE = re.compile(rf"\bn?gettext\(({_STRING})(?:, ?({_STRING}))?")

#: The names that a function of gettext has in our code, and how many texts it takes.
_TAKES = {"_": 1, "lazy": 1, "ngettext": 2}

#: One text, or that for one thing and that for several.
Text = tuple[str, ...]

_BRACES = re.compile(r"\{[a-z_]+[^}]*\}")
_PERCENT = re.compile(r"%\([a-z_]+\)s")

HEADER = r"""# Texts of Seawall for people. Written by `python -m docs.generate`.
msgid ""
msgstr ""
"Project-Id-Version: Seawall\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Content-Transfer-Encoding: 8bit\n"
"""


class NotATextError(ValueError):
    """`_()` or `lazy()` was given something else than one literal text, so no translator would ever see it."""


def template() -> str:
    """The template: every text once, with the files it stands in."""
    places: dict[Text, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*")):
        for text in texts(path):
            named = str(path.relative_to(PACKAGE.parents[1]))
            if named not in places.setdefault(text, []):
                places[text].append(named)
    return HEADER + "".join(_entry(text, files) for text, files in places.items())


def texts(path: Path) -> Iterator[Text]:
    """The texts of one file, in order."""
    if path.suffix == ".py":
        yield from in_code(path.read_text(encoding="utf-8"), path.name)
    elif path.suffix == ".html":
        if not settings.configured:
            settings.configure(USE_I18N=True)
        made = templatize(path.read_text(encoding="utf-8"))
        yield from (tuple(str(ast.literal_eval(one)) for one in found if one) for found in _IN_TEMPLATE.findall(made))


def in_code(source: str, name: str) -> Iterator[Text]:
    """What stands in `_("…")` and its kin, in the order of the lines.

    Raises:
        NotATextError: a variable or an f-string stands there.
    """
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        if isinstance(node.func, ast.Name) and node.func.id in _TAKES:
            given = node.args[: _TAKES[node.func.id]]
            said = tuple(one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str))
            if len(said) != _TAKES[node.func.id]:
                raise NotATextError(f"{name}, line {node.lineno}: write the text itself inside {node.func.id}()")
            yield said


def _entry(text: Text, files: list[str]) -> str:
    joined = " ".join(text)
    flag = (
        "#, python-brace-format\n"
        if _BRACES.search(joined)
        else "#, python-format\n"
        if _PERCENT.search(joined)
        else ""
    )
    escaped = [one.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for one in text]
    head = f'\n#: {" ".join(files)}\n{flag}msgid "{escaped[0]}"\n'
    if len(text) == 1:
        return f'{head}msgstr ""\n'
    return f'{head}msgid_plural "{escaped[1]}"\nmsgstr[0] ""\nmsgstr[1] ""\n'
