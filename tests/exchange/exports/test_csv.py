"""CSV cells: formulas, numbers, nested values, odd characters."""

import csv
import io
from typing import Any

import pyarrow as pa
import pytest

from exchange.exports.writers.csv import blocks, cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("http://x")'])
def test_a_formula_is_made_a_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(-1, -1), (-0.5, -0.5), (True, "true"), (None, ""), ("a-b", "a-b"), ([-1], "[-1]"), ({"a": "é"}, '{"a":"é"}')],
)
def test_other_cells_stay(value: Any, expected: Any) -> None:
    assert cell(value) == expected


def test_what_is_written_is_read_again() -> None:
    texts = ["emoji 🫘", "نص", 'quote " and , comma', "two\nlines", "two\r\nlines", "", " spaces "]
    schema = pa.schema([("text", pa.string()), ("n", pa.int64())])
    data = b"".join(blocks(({"text": text, "n": -n} for n, text in enumerate(texts)), schema))
    found = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    assert [row["text"] for row in found] == texts
    assert [int(row["n"]) for row in found] == [-n for n in range(len(texts))]


def test_the_mark_of_utf_8_comes_first_and_once() -> None:
    data = b"".join(blocks([{"a": "é"}], pa.schema([("a", pa.string())]), bom=True))
    assert data == b"\xef\xbb\xbfa\r\n" + "é\r\n".encode()


def test_nul_cannot_end_the_file() -> None:
    assert cell("a\x00b") == "a\ufffdb"
