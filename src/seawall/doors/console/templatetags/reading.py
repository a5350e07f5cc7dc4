"""Filters for what people read: numbers, and the commands that messages name."""

from django.template import Library
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from seawall.doors.console.numbers import number

register = Library()


@register.filter
def thousands(count: object) -> object:
    """`{{ 1234567|thousands }}`. What is no number stays as it is."""
    return number(count) if isinstance(count, int) else count


@register.filter
def with_code(text: object) -> SafeString:
    """Messages that the command line shows too write commands between backticks; a page sets them as code."""
    pieces = str(text).split("`")
    if len(pieces) % 2 == 0:
        # One is left over, so none of them is meant.
        return format_html("{}", text)
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", one) if at % 2 else one,) for at, one in enumerate(pieces))
    )
