"""Files that are one JSON: a list whose elements are read one by one, or an object that is read whole."""

import json
from collections.abc import Iterator
from typing import Any

from exchange.imports.base import Problem, UnreadableFile
from exchange.imports.readers import MOST_LINE, Line, excerpt, not_utf8
from exchange.imports.unpack import Stream

WHOLE = 512 * 2**20
"""Bytes of a JSON file whose rows do not lie in one list, so that it is read whole."""


def refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON; write null")


DECODER = json.JSONDecoder(parse_constant=refuse_constant)


class Text:
    """The text of a stream, of which only what is not yet read is kept."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.text, self.place, self.ended, self.tail = stream, "", 0, False, b""
        self.more()
        self.text = self.text.removeprefix("\ufeff")

    def more(self) -> bool:
        """Another piece; False at the end."""
        piece = self.stream.read()
        raw = self.tail + piece
        # A character may lie across two pieces: at most 3 bytes of it wait.
        self.ended = not piece
        cut = len(raw)
        if piece:
            for back in range(1, min(4, len(raw)) + 1):
                if raw[-back] >= 0xC0:
                    cut = len(raw) - back
                    break
                if raw[-back] < 0x80:
                    break
        self.tail = raw[cut:]
        try:
            self.text = self.text[self.place :] + raw[:cut].decode()
        except UnicodeDecodeError as error:
            raise UnreadableFile(not_utf8(error)) from error
        self.place = 0
        return not self.ended

    def sign(self) -> str:
        """The next sign that is no space; "" at the end."""
        while True:
            while self.place < len(self.text):
                sign = self.text[self.place]
                if sign not in " \t\r\n":
                    return sign
                self.place += 1
            if (self.ended or not self.more()) and self.place >= len(self.text):
                return ""

    def value(self) -> Any:
        """The value that begins here. Raises ValueError, RecursionError."""
        wanted = 0
        while True:
            if len(self.text) - self.place >= wanted or self.ended:
                try:
                    found, self.place = DECODER.raw_decode(self.text, self.place)
                    if self.place < len(self.text) or self.ended:
                        return found
                except ValueError as error:
                    if self.ended or "no number of JSON" in str(error) or "Exceeds the limit" in str(error):
                        raise
                if len(self.text) - self.place > 4 * MOST_LINE:
                    raise ValueError(f"it has more than {4 * MOST_LINE / 2**20:,.0f} MB")
                wanted = 2 * (len(self.text) - self.place)
            self.more()


def json_rows(stream: Stream) -> Iterator[Line]:
    """A list of objects, read one by one; or an object of lists, or one object, read whole."""
    text = Text(stream)
    if text.sign() != "[":
        yield from json_object(text)
        return
    text.place += 1
    number = 0
    while (sign := text.sign()) != "]":
        number += 1
        if not sign:
            yield number, Problem(number, "The file ends in the middle of its list. Was it cut off on its way?"), None
            return
        try:
            found = text.value()
        except (ValueError, RecursionError) as error:
            yield number, broken(error, number, text), None
            return
        if isinstance(found, dict):
            yield number, found, None
        else:
            yield number, Problem(number, "The element is not an object in braces.", excerpt(str(found))), None
        if (sign := text.sign()) == ",":
            text.place += 1
        elif sign and sign != "]":
            yield (
                number + 1,
                Problem(number + 1, "A comma is missing before this element.", excerpt(text.text, text.place)),
                None,
            )
            return


def broken(error: Exception, number: int, text: Text) -> Problem:
    why = "it is nested too deep" if isinstance(error, RecursionError) else str(error).split(": line")[0]
    if "Exceeds the limit" in why:
        why = "it holds a number of more than 4,300 digits"
    if text.ended and ("Unterminated" in why or "Expecting" in why):
        why = "the file ends in the middle of it. Was it cut off on its way"
    place = text.place
    return Problem(
        number, f"Not valid JSON in element {number:,}: {why}. What follows cannot be read.", excerpt(text.text, place)
    )


def json_object(text: Text) -> Iterator[Line]:
    while not text.ended:
        if text.stream.out > WHOLE:
            raise UnreadableFile(
                f"The JSON is one object of more than {WHOLE / 2**20:,.0f} MB. Save its rows as JSONL."
            )
        text.more()
    try:
        found = text.value()
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(broken(error, 1, text).what.replace(" in element 1", "")) from error
    if not isinstance(found, dict):
        raise UnreadableFile("The JSON holds no list of objects, so there are no rows in it.")
    lists = {
        name: rows for name, rows in found.items() if isinstance(rows, list) and rows and isinstance(rows[0], dict)
    }
    number = 0
    if not lists:
        yield 1, found, None
    for name, rows in lists.items():
        for row in rows:
            number += 1
            if isinstance(row, dict):
                yield number, {"group": name, **row} if len(lists) > 1 else row, None
            else:
                yield number, Problem(number, "The element is not an object in braces.", excerpt(str(row))), None
