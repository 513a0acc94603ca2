"""Rows as they are: all that is known, in the shape that it is kept in."""

from exchange.exports.formats.base import Format

FORMAT = Format("plain", "As they are", "every column, in the shape that it is kept in")
