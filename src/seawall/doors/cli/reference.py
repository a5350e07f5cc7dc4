"""Writes docs/reference/cli.md from the commands: `python -m seawall.doors.cli.reference`. A test compares."""

import sys
from collections.abc import Iterator

import click

from seawall.doors.cli.invocation import everywhere
from seawall.doors.cli.root import root

HEAD = """\
# The command line

Written by `python -m seawall.doors.cli.reference`; change the commands, not this page.

`seawall` acts as the owner of the data directory. Every command also takes the options of the first section, before or
after its name.
"""


def pages() -> Iterator[str]:
    """The page, part by part."""
    yield HEAD
    yield from section(root, "seawall", level=2)


def section(command: click.Command, name: str, *, level: int, parent: click.Context | None = None) -> Iterator[str]:
    """One command and, below it, those it holds."""
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield f"\n{'#' * level} {name}\n\n{command.help or ''}\n\n    {usage}\n"
    options = [line for param in command.get_params(context) for line in _option(param, is_root=command is root)]
    if options:
        yield "\n" + "\n".join(options) + "\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from section(found, f"{name} {child}", level=level + (command is not root), parent=context)


def _option(param: click.Parameter, *, is_root: bool) -> Iterator[str]:
    shared = {"--help", *(name for option in everywhere() for name in option.opts)}
    if not isinstance(param, click.Option) or (shared.intersection(param.opts) and not is_root):
        return
    names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    value = "" if param.is_flag else f" {param.make_metavar(click.Context(root))}"
    remarks = [_default(param)] if param.show_default else []
    remarks += ["required"] if param.required else []
    remark = f" ({'; '.join(remarks)})" if remarks else ""
    yield f"- {names}{value}: {param.help}{remark}"


def _default(param: click.Option) -> str:
    if param.secondary_opts:
        return f"default: {(param.opts if param.default else param.secondary_opts)[0]}"
    return f"default: {param.default}"


if __name__ == "__main__":
    sys.stdout.write("".join(pages()))
