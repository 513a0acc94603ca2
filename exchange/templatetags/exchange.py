"""Filters of the import pages: {% load exchange %}."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def excerpt(text: str, column: str) -> SafeString | str:
    """A piece of a line, with the column that is wrong marked where it stands in it."""
    before, found, after = str(text).partition(str(column)) if column else (text, "", "")
    return format_html("{}<mark>{}</mark>{}", before, found, after) if found else before
