"""Files that are broken, foreign or hostile: a sentence with the line, and nothing half-written."""

import contextlib
import gzip
import io
import json
import os
import zipfile
from pathlib import Path

import psutil
import pytest

from accounts.models import Project, User
from annotate.models import Feedback, Prompt, Response, Task
from exchange.imports import readers, unpack
from exchange.imports.base import Becomes, Mapping, Refused, UnreadableFile
from exchange.imports.check import check
from exchange.imports.detect import detect, guessed_mapping
from exchange.imports.formats import FORMATS
from exchange.imports.outcome import Outcome
from exchange.imports.plan import Plan
from exchange.imports.write import write

pytestmark = pytest.mark.django_db
GOOD = {
    "prompt": "Why is the sky blue?",
    "response_a": "It scatters.",
    "response_b": "It is.",
    "winner": "a",
    "rater": "ann",
}
PAIRS = Mapping(
    columns={
        name: Becomes.parse(role)
        for name, role in {
            "prompt": "prompt", "response_a": "response:a", "response_b": "response:b",
            "winner": "winner", "rater": "rater",
        }.items()
    },
    source="test",
)  # fmt: skip


def line(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode() + b"\n"


def file(tmp_path: Path, content: bytes, name: str = "file.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def skip(path: Path, project: Project, shape: str = "jsonl", **options: object) -> Outcome:
    return write(path, FORMATS[shape], PAIRS, project, None, on_bad="skip", **options)  # type: ignore[arg-type]


def nothing_is_there() -> bool:
    tables = (Prompt, Response, Task, Feedback, User.objects.filter(is_external=True))
    return not any((one.exists() if hasattr(one, "exists") else one.objects.exists()) for one in tables)


BROKEN = {
    "torn last line": (line(prompt="q1") + line(prompt="q2")[:40], 2, "torn"),
    "no JSON": (line(prompt="q1") + b'{"prompt": "x" "y"}\n', 2, "Not valid JSON at character 16"),
    "latin-1": (line(prompt="q1") + '{"prompt": "caf\u00e9"}\n'.encode("latin-1"), 2, "Latin-1"),
    "NUL byte": (line(prompt="q1") + b'{"prompt": "a\x00b"}\n', 2, "NUL"),
    "NUL escape": (line(prompt="q1") + line(prompt="a\x00b"), 2, "NUL"),
    "NUL in an answer": (line(prompt="q1") + line(prompt="q2", response_a="a\x00b"), 2, "NUL"),
    "lone surrogate": (line(prompt="q1") + b'{"prompt": "\\ud800"}\n', 2, "surrogate"),
    "NaN": (line(prompt="q1") + b'{"prompt": NaN}\n', 2, "NaN"),
    "nested deep": (line(prompt="q1") + b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", 2, "deep"),
    "huge integer": (line(prompt="q1") + b'{"winner": 1' + b"0" * 400 + b', "prompt": "x"}\n', 2, ""),
    "a list": (line(prompt="q1") + b"[1, 2]\n", 2, "a list, not an object"),
    "another schema": (line(prompt="q1") + b'{"text": "something else"}\n', 2, "prompt is empty"),
    "unknown value": (line(prompt="q1") + line(prompt="q2", winner=1.5), 2, "winner is 1.5. Known values are"),
    "empty prompt": (line(prompt="q1") + line(prompt="  "), 2, "prompt is empty"),
    "empty answer": (line(prompt="q1") + line(prompt="q2", response_b="", winner=None), 2, "response_b is empty"),
    "the same rater twice": (line(prompt="q1") + line(prompt="q1"), 2, "on line 1 already"),
    "10,000 columns": (
        line(prompt="q1") + json.dumps({f"c{n}": n for n in range(10_000)}).encode() + b"\n",
        2,
        "10,000 columns",
    ),
    "an object as text": (line(prompt="q1") + line(prompt="q2", response_a={"a": 1}), 2, "response_a is an object"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_line_is_named_and_the_others_come_in(name: str, tmp_path: Path, project: Project) -> None:
    content, number, words = BROKEN[name]
    path = file(tmp_path, content)
    done = skip(path, project, report=tmp_path / "left-out.jsonl")
    assert [(one.line, words in one.what) for one in done.problems] == [(number, True)], done.problems
    assert (done.written, done.skipped, Feedback.objects.count()) == (1, 1, 1)
    assert done.report is not None
    (left_out,) = [json.loads(row) for row in done.report.read_text().splitlines()]
    assert (left_out["line"], left_out["reason"]) == (number, done.problems[0].what)


@pytest.mark.parametrize("name", BROKEN)
def test_or_nothing_comes_in(name: str, tmp_path: Path, project: Project) -> None:
    path = file(tmp_path, BROKEN[name][0])
    said = check(path, FORMATS["jsonl"], PAIRS, project)
    assert (said.lines, said.fits, said.bad) == (2, 1, 1)
    with pytest.raises(Refused, match="1 line of 2 cannot be imported, so nothing was") as refused:
        write(path, FORMATS["jsonl"], PAIRS, project, None)
    assert refused.value.problems == said.problems
    assert nothing_is_there()
    assert list(tmp_path.iterdir()) == [path]


def test_a_mark_of_order_at_the_begin_is_no_text(tmp_path: Path, project: Project) -> None:
    skip(file(tmp_path, b"\xef\xbb\xbf" + line()), project)
    csv = b"\xef\xbb\xbfprompt,response_a,response_b,winner,rater\nq,x,y,b,ann\n"
    skip(file(tmp_path, csv, "t.csv"), project, "csv")
    assert {one.text for one in Prompt.objects.all()} == {GOOD["prompt"], "q"}


FOREIGN = {
    "empty": (b"", "is empty: it has 0 bytes"),
    "only blanks": (b"\n\n  \n", "nothing but blank lines"),
    "UTF-16": ('{"prompt": "x"}\n'.encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark": ('{"prompt": "x"}\n'.encode("utf-16-le"), "NUL bytes"),
    "a PDF": (b"%PDF-1.7\n1 0 obj\n", "a PDF"),
    "a picture": (b"\x89PNG\r\n\x1a\n0000", "a picture"),
    "a web page": (b"<!DOCTYPE html><html></html>", "a web page"),
    "a torn gzip": (gzip.compress(line() * 500)[:60], "damaged"),
    "gzip in gzip": (gzip.compress(gzip.compress(line())), "packed twice"),
    "torn Parquet": (b"PAR1" + b"0" * 50, "Parquet file cannot be read"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_refused_in_words(name: str, tmp_path: Path, project: Project) -> None:
    content, words = FOREIGN[name]
    path = file(tmp_path, content)
    with pytest.raises(UnreadableFile, match=words):
        detect(path)
    with pytest.raises(UnreadableFile):
        write(path, FORMATS["jsonl"], PAIRS, project, None, on_bad="skip")
    assert nothing_is_there()


def test_a_line_of_200_mb_is_reported_and_never_kept(tmp_path: Path, project: Project) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as out:
        out.write(line(prompt="q1") + b'{"prompt": "')
        for _ in range(200):
            out.write(b"x" * 2**20)
        out.write(b'"}\n' + line(prompt="q3"))
    peak = 0
    before = psutil.Process().memory_info().rss

    def progress(done: int, total: int) -> None:
        nonlocal peak
        peak = max(peak, psutil.Process().memory_info().rss - before)

    done = skip(path, project, progress=progress)
    assert [(one.line, one.what[:27]) for one in done.problems] == [(2, "The line has 200 MB, 16 are")]
    assert done.written == 2
    assert peak < 100 * 2**20


@pytest.mark.parametrize("shape", ["csv", "json"])
def test_so_is_a_cell_or_an_element_of_200_mb(shape: str, tmp_path: Path, project: Project) -> None:
    path = tmp_path / f"long.{shape}"
    first, last = line(prompt="q1").strip(), line(prompt="q3").strip()
    around = {
        "csv": (b"prompt,response_a,response_b,winner,rater\nq1,x,y,a,ann\n", b",x,y,a,ann\nq3,x,y,a,ann\n"),
        "json": (b"[" + first + b', {"prompt": "', b'"}, ' + last + b"]"),
    }[shape]
    with path.open("wb") as out:
        out.write(around[0])
        for _ in range(200):
            out.write(b"x" * 2**20)
        out.write(around[1])
    before = psutil.Process().memory_info().rss
    done = skip(path, project, shape)
    assert psutil.Process().memory_info().rss - before < 300 * 2**20
    what, written = {
        "csv": ((3, "The line has 200 MB"), 2),
        "json": ((2, "Not valid JSON in element 2: it has more than 64 MB. What follows cannot be read"), 1),
    }[shape]
    assert [(one.line, one.what.startswith(what[1])) for one in done.problems] == [(what[0], True)], done.problems
    assert done.written == written


def test_lines_are_cut_the_same_wherever_pieces_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MOST_LINE", 20)
    content = b"\xef\xbb\xbfone\n\n" + b"x" * 50 + b"\nthree\nfour"
    expected = [(1, b"one"), (2, b""), (3, None), (4, b"three"), (5, b"four")]
    for size in range(1, 70):
        raw = io.BytesIO(content)

        class Small:
            def read(self, raw: io.BytesIO = raw, size: int = size) -> bytes:
                return raw.read(max(size, 3))

        there = readers.lines(Small())  # type: ignore[arg-type]
        found = [(number, raw if isinstance(raw, bytes) else None) for number, raw, _ in there]
        assert found == expected


def packed(tmp_path: Path, *members: tuple[str, bytes]) -> Path:
    path = tmp_path / "file.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_a_zip_bomb_is_stopped_on_the_way(tmp_path: Path, project: Project) -> None:
    bomb = packed(tmp_path, ("a.jsonl", line() + b" " * (200 * 2**20)))
    with pytest.raises(UnreadableFile, match="unpacks to more than 200 times its size"):
        skip(bomb, project)
    (tmp_path / "b.gz").write_bytes(gzip.compress(line(prompt="x" * 9_000) * 12_000, 9))
    with pytest.raises(UnreadableFile, match="zip bomb"):
        skip(tmp_path / "b.gz", project)
    assert nothing_is_there()


def test_a_file_may_have_no_more_than_the_limit(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MOST", 10_000)
    with pytest.raises(UnreadableFile, match="Cut it into parts"):
        skip(file(tmp_path, b"".join(line(prompt=f"q{n}") for n in range(200))), project)
    assert nothing_is_there()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["../../etc/passwd.jsonl"], "outside itself"), (["/etc/a.jsonl"], "outside itself"), (["inner.zip"], "packed"),
        (["a.jsonl", "b.jsonl"], "2 files inside"), (["inner.jsonl.gz"], "packed"), ([], "0 files|damaged|no rows"),
    ],
)  # fmt: skip
def test_a_zip_holds_one_file_of_its_own(names: list[str], words: str, tmp_path: Path, project: Project) -> None:
    path = packed(tmp_path, *[(name, line()) for name in names])
    with pytest.raises(UnreadableFile, match=words):
        detect(path)


@pytest.mark.parametrize("ending", [".gz", ".zst", ".zip"])
def test_packed_files_are_read_as_they_come(ending: str, tmp_path: Path, project: Project) -> None:
    import zstandard

    content = b"".join(line(prompt=f"q{n}") for n in range(5))
    whole = {".gz": gzip.compress(content), ".zst": zstandard.compress(content)}.get(ending)
    path = file(tmp_path, whole, f"f.jsonl{ending}") if whole else packed(tmp_path, ("inside/f.jsonl", content))
    format, _ = detect(path)[0]
    assert format.slug == "jsonl"
    assert skip(path, project).counts.votes == 5


def test_cells_of_a_table_are_texts_whatever_they_look_like(tmp_path: Path, project: Project) -> None:
    table = 'prompt,response_a,response_b,winner,rater\n"=1+1","@SUM(A1)","a ""b""\nc",b,ann\n'
    skip(file(tmp_path, table.encode(), "t.csv"), project, "csv")
    assert Prompt.objects.get().text == "=1+1"
    assert [one.text for one in Response.objects.order_by("sample")] == ["@SUM(A1)", 'a "b"\nc']


TABLES = {
    "a short row": ("q1,x,y,a,ann\nq2,x\n", 3, "2 values and the header 5 columns"),
    "an open quotation mark": ('q1,x,y,a,ann\nq2,"x,y,a,ben\n', 3, "quotation mark is not closed"),
    "Latin-1": ("q1,x,y,a,ann\ncaf\udce9,x,y,a,ben\n", 3, "Latin-1"),
    "NUL": ("q1,x,y,a,ann\nq\x002,x,y,a,ben\n", 3, "NUL"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_broken_row_of_a_table_is_named(name: str, tmp_path: Path, project: Project) -> None:
    rows, number, words = TABLES[name]
    content = f"prompt,response_a,response_b,winner,rater\n{rows}".encode("utf-8", "surrogateescape")
    done = skip(file(tmp_path, content, "t.csv"), project, "csv", report=tmp_path / "left.csv")
    assert [(one.line, words in one.what) for one in done.problems] == [(number, True)], done.problems
    assert done.written == 1
    assert done.report is not None
    assert done.report.read_text().startswith(f"{number},")


JSON = {
    "torn": (b"[" + line().strip() + b", {", 2, "ends in the middle"),
    "torn between": (b"[" + line().strip() + b",", 2, "ends in the middle"),
    "no comma": (b"[" + line().strip() + b" " + line().strip() + b"]", 2, "comma is missing"),
    "NaN": (b"[" + line().strip() + b', {"prompt": NaN}]', 2, "NaN"),
    "nested deep": (b"[" + line().strip() + b", " + b"[" * 100_000 + b"]" * 100_000 + b"]", 2, "nested too deep"),
    "many digits": (b"[" + line().strip() + b', {"prompt": ' + b"9" * 5_000 + b"}]", 2, "4,300 digits"),
    "surrogate": (
        b"[" + line().strip() + b', {"prompt": "\\ud800", "response_a": "x", "response_b": "y"}]',
        2,
        "surrogate",
    ),
    "not an object": (b"[" + line().strip() + b", 5]", 2, "not an object"),
}


@pytest.mark.parametrize("name", JSON)
def test_a_broken_element_of_a_list_is_named(name: str, tmp_path: Path, project: Project) -> None:
    content, number, words = JSON[name]
    done = skip(file(tmp_path, content, "f.json"), project, "json")
    assert [(one.line, words in one.what) for one in done.problems] == [(number, True)], done.problems
    assert done.written == 1


def test_a_list_is_read_the_same_wherever_pieces_end(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["ä€𝄞" * 3_000, "]},{[", 'q"\\', "x" * 9_000]
    content = json.dumps([{**GOOD, "prompt": text} for text in texts], ensure_ascii=False, indent=1).encode()
    path = file(tmp_path, content, "f.json")
    real = unpack.Stream.read
    monkeypatch.setattr(unpack.Stream, "read", lambda self, size=701: real(self, 701))
    skip(path, project, "json")
    assert {one.text for one in Prompt.objects.all()} == set(texts)


def test_keys_name_one_prompt_each(tmp_path: Path, project: Project) -> None:
    mapping = PAIRS.with_columns({"id": Becomes("key")})
    content = (
        line(id="k1") + line(id="k1", prompt="Another text") + line(id="k2", rater="ben") + line(id="k1", rater="cy")
    )
    done = write(file(tmp_path, content), FORMATS["jsonl"], mapping, project, None, on_bad="skip")
    assert [(one.line, "The key k1 was used on line 1, with another text" in one.what) for one in done.problems] == [
        (2, True)
    ]
    assert sorted(Prompt.objects.values_list("key", flat=True)) == ["k1", "k2"]
    again = write(file(tmp_path, line(id="k2", prompt="New")), FORMATS["jsonl"], mapping, project, None, on_bad="skip")
    assert "is in the project already, with another text" in again.problems[0].what


def test_keys_that_look_like_given_ones_meet_none(tmp_path: Path, project: Project) -> None:
    mapping = PAIRS.with_columns({"id": Becomes("key")})
    content = (
        line(id="", prompt="one") + line(id="prompt-00001", prompt="two") + line(id="prompt-00002", prompt="three")
        + line(id="", prompt="four")
    )  # fmt: skip
    path = file(tmp_path, content)
    done = write(path, FORMATS["jsonl"], mapping, project, None, on_bad="skip")
    assert [(one.line, "without a key was given prompt-00001" in one.what) for one in done.problems] == [(2, True)]
    assert sorted(Prompt.objects.values_list("key", flat=True)) == ["prompt-00001", "prompt-00002", "prompt-00003"]


def test_a_key_that_came_in_meanwhile_is_told_in_words(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Plan.load_prompts

    def and_another(plan: Plan) -> None:
        load(plan)
        Prompt.objects.create(project=project, key="k1", messages=[{"role": "user", "content": "theirs"}])

    monkeypatch.setattr(Plan, "load_prompts", and_another)
    mapping = PAIRS.with_columns({"id": Becomes("key")})
    with pytest.raises(ValueError, match="Somebody added the same prompts while the file was read"):
        write(file(tmp_path, line(id="k1")), FORMATS["jsonl"], mapping, project, None)
    assert nothing_is_there()


def test_an_unknown_model_that_was_said_to_be_here_is_no_guess(tmp_path: Path, project: Project) -> None:
    from dataclasses import replace

    path = file(tmp_path, line(model_a="gpt"))
    mapping = replace(PAIRS.with_columns({"model_a": Becomes.parse("model:a")}), models={"gpt": "nowhere"})
    with pytest.raises(ValueError, match="There is no model nowhere in Helpful answers, which gpt was said to be"):
        write(path, FORMATS["jsonl"], mapping, project, None)
    assert nothing_is_there()


def test_ten_thousand_columns_of_a_table_are_refused(tmp_path: Path) -> None:
    path = file(tmp_path, (",".join(f"c{n}" for n in range(10_000)) + "\n").encode(), "wide.csv")
    with pytest.raises(UnreadableFile, match="10,000 columns, 1,000 are allowed"):
        detect(path)


@pytest.mark.parametrize("name", ["deep.json", "deep.jsonl"])
def test_what_is_nested_100_000_deep_is_told_and_nothing_overflows(name: str, tmp_path: Path, project: Project) -> None:
    deep = b'{"a": ' * 100_000 + b"1" + b"}" * 100_000
    path = file(tmp_path, deep.replace(b"{", b"{\n", 1) if name == "deep.json" else deep, name)
    with pytest.raises((UnreadableFile, Refused)) as error:
        write(path, FORMATS[name.removeprefix("deep.")], PAIRS, project, None)
    words = error.value.problems[0].what if isinstance(error.value, Refused) else str(error.value)
    assert "nested" in words
    assert nothing_is_there()


def test_guesses_of_a_broken_file_do_not_fail(tmp_path: Path) -> None:
    path = file(tmp_path, b'{"a": }\n' * 30)
    format, sure = detect(path)[0]
    assert (format.slug, sure) == ("jsonl", 0.1)
    assert guessed_mapping(path, format).columns == {}


def test_files_of_the_machine_stay_open_for_nobody(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for content in (line(), gzip.compress(line()), b"%PDF"):
        for _ in range(5):
            with contextlib.suppress(UnreadableFile):
                detect(file(tmp_path, content))
    assert len(os.listdir("/proc/self/fd")) <= before + 1
