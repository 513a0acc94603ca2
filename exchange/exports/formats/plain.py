"""Rows as they are: all that is known, in the shape that it is kept in."""

from exchange.exports.formats.base import Format

FORMAT = Format("plain", "As they are", "every column; with the full history, every vote, undo, time and side shown")
