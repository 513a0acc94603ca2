"""What a browser does at the desk, as far as a server can tell: read the form, send it back with a choice made."""

import html
import random
import re
from urllib.parse import urlencode

ATTRIBUTE = re.compile(r"""([\w-]+)(?:="([^"]*)")?""")
FORM = re.compile(r'<form\b(?=[^>]*\bid="answer")([^>]*)>(.*?)</form>', re.DOTALL)
INPUT = re.compile(r"<input\b([^>]*)>")
ASSIGNMENT = re.compile(r'data-assignment="(\d+)"')


class NoTask(Exception):
    """The page shows no form to answer."""


def assignment_of(page: str) -> str:
    found = ASSIGNMENT.search(page)
    return found[1] if found else ""


def filled_form(page: str, choose: random.Random) -> tuple[str, str]:
    """(address, body) of the answer that `page` asks for: one of each group of radio buttons, the rest as it is."""
    found = FORM.search(page)
    if not found:
        raise NoTask(f"The desk shows no task: {re.sub('<[^>]+>', ' ', page)[:200].split()}")
    fields: dict[str, str] = {}
    choices: dict[str, list[str]] = {}
    for tag in INPUT.findall(found[2]):
        attributes = {name: html.unescape(value) for name, value in ATTRIBUTE.findall(tag)}
        name = attributes.get("name", "")
        if attributes.get("type") == "radio":
            choices.setdefault(name, []).append(attributes.get("value", ""))
        elif name and attributes.get("type") != "checkbox":
            fields[name] = attributes.get("value", "")
    fields |= {name: choose.choice(values) for name, values in choices.items()}
    fields["active_ms"] = str(choose.randrange(4_000, 60_000))
    action = dict(ATTRIBUTE.findall(found[1])).get("action", "")
    return html.unescape(action), urlencode(fields)
