"""Reasons that go into the record, where they are short codes and never sentences."""

import re
from gettext import gettext as _

import click

_FORM = re.compile(r"[a-z0-9_.:-]{1,100}")


class ReasonCode(click.ParamType[str]):
    """A reason such as `not_a_match`."""

    name = "code"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value and not _FORM.fullmatch(value):
            self.fail(
                _("write a short code such as not_a_match: the record keeps no sentences and no names"), param, ctx
            )
        return value
