"""manage.py agreement on the files that people have, and on those that they should not have."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"the public data is not in {DATA}")
CODERS = [
    "* * * * * 3 4 1 2 1 1 3 3 * 3",
    "1 * 2 1 3 3 4 3 * * * * * * *",
    "* * 2 1 3 4 4 * 2 1 1 3 3 * 4",
]


@pytest.fixture
def file(tmp_path):
    def write(content: str | bytes) -> str:
        path = tmp_path / "ratings.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.fixture
def run(capsys):
    """Run the command on a file; what it prints, parsed where it is JSON, and what it says beside."""

    def command(path: str, *arguments: str, level: str = "nominal", json_too: bool = True):
        names = ["--unit", "unit", "--rater", "rater", "--value", "value", "--level", level]
        call_command("agreement", path, *names, *arguments, *(["--json"] if json_too else []))
        said = capsys.readouterr()
        return json.loads(said.out) if json_too else said.out, said.err

    return command


def coders() -> str:
    rows = [
        f"{i},{name},{'' if cell == '*' else cell}"
        for name, cells in zip("ABC", CODERS, strict=True)
        for i, cell in enumerate(cells.split())
    ]
    return "\n".join(["unit,rater,value", *rows])


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.691), ("ordinal", 0.807), ("interval", 0.811)])
def test_krippendorffs_example(file, run, level, published):
    found, said = run(file(coders()), level=level)
    assert list(found) == ["raw", "cohen_kappa", "fleiss_kappa", "alpha", "units", "raters"]
    assert round(found["alpha"]["value"], 3) == published
    assert found["alpha"]["low"] < published < found["alpha"]["high"]
    assert list(found["cohen_kappa"]) == ["A|B", "A|C", "B|C"]
    assert (found["units"], found["raters"]) == (15, 3)
    assert "18 rows without a value" in said


def test_the_seed_and_the_number_of_draws_are_respected(file, run):
    path = file(coders())
    once, again = run(path, "--bootstrap", "200", "--seed", "7"), run(path, "--bootstrap", "200", "--seed", "7")
    assert once == again
    assert once != run(path, "--bootstrap", "200", "--seed", "8")
    none, _ = run(path, "--bootstrap", "0")
    assert (none["alpha"]["low"], none["alpha"]["high"]) == (None, None)
    assert "reasons" not in none


def test_what_is_undefined_is_null_with_its_reason(file, run):
    found, _ = run(file("unit,rater,value\n1,a,x\n1,b,x\n2,a,x\n2,b,x\n"))
    assert found["raw"] == 1
    assert found["fleiss_kappa"] is None and found["alpha"] == {"value": None, "low": None, "high": None}
    assert found["cohen_kappa"] == {"a|b": None}
    assert set(found["reasons"]) == {"fleiss_kappa", "alpha", "cohen_kappa"}
    assert "Only one value" in found["reasons"]["alpha"]
    assert "every unit" in found["reasons"]["cohen_kappa"]["a|b"]


def test_raters_who_share_nothing(file, run):
    found, _ = run(file("unit,rater,value\n1,a,x\n2,b,y\n"))
    assert (found["raw"], found["cohen_kappa"], found["units"], found["raters"]) == (None, {}, 2, 2)
    assert set(found["reasons"]) == {"raw", "cohen_kappa", "fleiss_kappa", "alpha"}


PLAIN = "unit,rater,value\n1,a,3\n1,b,3\n2,a,1\n2,b,2\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.rstrip("\n"),
        "\n" + PLAIN.replace("\n", "\n\n"),
        PLAIN.replace("3", '" 3 "'),
        'value;rater;comment;unit\n3;a;"one,\ntwo";1\n3;b;;1\n1;a;\'x\';2\n2;b;"say ""no""";2\n',
    ],
    ids=["semicolons", "tabs", "windows", "old mac", "BOM", "no last newline", "blank lines", "spaces", "quotes"],
)
def test_forms_of_csv(file, run, content):
    expected, _ = run(file(PLAIN), level="ordinal")
    assert run(file(content), level="ordinal") == (expected, "")


def test_numbers_written_in_two_ways_are_one_value(file, run):
    found, _ = run(file("unit,rater,value\n1,a,1\n1,b,1.0\n2,a,2\n2,b,2e0\n"), level="interval")
    assert found["alpha"]["value"] == 1


def test_other_encodings_are_named_or_refused(file, run):
    latin = "unit,rater,value\n1,José,à\n1,b,à\n2,José,b\n2,b,b\n".encode("latin-1")
    with pytest.raises(CommandError, match=r"not UTF-8 in line 2.*--encoding"):
        run(file(latin))
    assert "José|b" in run(file(latin), "--encoding", "latin-1")[0]["cohen_kappa"]
    with pytest.raises(CommandError, match="UTF-16"):
        run(file(PLAIN.encode("utf-16")))
    assert run(file(PLAIN.encode("utf-16")), "--encoding", "utf-16")[0]["units"] == 2
    with pytest.raises(CommandError, match="no encoding klingon"):
        run(file(PLAIN), "--encoding", "klingon")


def test_several_columns_can_name_the_unit(file, run):
    content = "prompt,model,rater,value\n1,x,a,1\n1,x,b,1\n1,y,a,2\n1,y,b,1\n"
    found, _ = run(file(content), "--unit", "prompt,model")
    assert (found["units"], found["raw"]) == (2, 0.5)


def test_a_text_that_means_missing(file, run):
    content = PLAIN + "3,a,NA\n3,b,2\n"
    with pytest.raises(CommandError, match=r"Line 6 has the value NA, which is not a number.*--missing"):
        run(file(content), level="ordinal")
    found, said = run(file(content), "--missing", "NA", level="ordinal")
    assert found["units"] == 3
    assert "1 row without a value" in said


def test_a_repeated_rating_is_refused_unless_one_is_chosen(file, run):
    content = PLAIN + "2,a,2\n1,a,9\n"
    with pytest.raises(CommandError, match=r"Rater a rated the unit 2 more than once: lines 4 and 6 \(1 more"):
        run(file(content))
    first, said = run(file(content), "--duplicates", "first")
    assert first["raw"] == 0.5
    assert "2 rows left out" in said
    assert run(file(content), "--duplicates", "last")[0]["raw"] == 0.5
    assert run(file(PLAIN + "2,a,2\n"), "--duplicates", "last")[0]["raw"] == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("unit,rater,value\n", "no rows"),
        ("unit,rater,answer\n1,a,x\n", "no column 'value'. Its columns are: unit, rater, answer"),
        ("unit;rater;answer\n1;a;x\n", "Its columns are: unit, rater, answer"),
        ("unit,rater,value,value\n1,a,x,y\n", "more than one column 'value'"),
        ("unit,rater,value\n1,a,x\n2,b\n", "Line 3 has 2 column"),
        ("unit,rater,value\n1,a,x\n,b,y\n", "Line 3 has nothing in the column 'unit'"),
        ("unit,rater,value\n1,a,x\n1,,y\n", "Line 3 has nothing in the column 'rater'"),
        (b"PK\x03\x04\xff\xfe\x00\x00", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(file, run, content, sentence):
    with pytest.raises(CommandError) as refused:
        run(file(content))
    assert sentence in str(refused.value)


@pytest.mark.parametrize("value", ["good", "nan", "inf", "3,5"])
@pytest.mark.parametrize("level", ["ordinal", "interval"])
def test_ordered_levels_need_numbers(file, run, value, level):
    with pytest.raises(CommandError, match=r"Line 3 .* is not a number.* --level nominal"):
        run(file(f'unit,rater,value\n1,a,1\n1,b,"{value}"\n'), level=level)


def test_no_file_and_a_folder(run, tmp_path):
    with pytest.raises(CommandError, match=r"cannot be read: No such file"):
        run(str(tmp_path / "absent.csv"))
    with pytest.raises(CommandError, match="cannot be read: Is a directory"):
        run(str(tmp_path))


def test_a_table_for_people(file, run):
    text, _ = run(file(coders()), json_too=False)
    assert "27 values by 3 raters on 15 units" in text
    assert "Krippendorff's alpha, nominal" in text and "0.691" in text
    assert "A|C" in text
    undefined, _ = run(file("unit,rater,value\n1,a,x\n1,b,x\n"), json_too=False)
    assert "n/a" in undefined and "Only one value" in undefined


def test_it_starts_no_database_and_ends_with_code_1_on_an_error(file, tmp_path):
    home = tmp_path / "home"
    environment = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "SECRET_KEY"}}
    command = [
        sys.executable,
        "manage.py",
        "agreement",
        "-",
        "--unit",
        "unit",
        "--rater",
        "rater",
        "--level",
        "nominal",
    ]

    def started(value: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "--value", value, "--json"], cwd=ROOT, env=environment | {"PALATE_HOME": str(home)},
            input=PLAIN, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    done = started("value")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["units"] == 2
    assert sorted(path.name for path in home.iterdir()) == ["secret_key"]
    refused = started("score")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "CommandError: - has no column 'score'. Its columns are: unit, rater, value.\n"


@needs_data
def test_votes_of_a_real_crowd(run):
    found, _ = run(
        str(DATA / "llmfao" / "crowd-comparisons.csv"),
        "--unit", "prompt,model_x,model_y", "--rater", "worker", "--value", "winner",
    )  # fmt: skip
    assert (found["units"], found["raters"]) == (2139, 124)
    assert 0.25 < found["alpha"]["low"] < found["alpha"]["value"] < found["alpha"]["high"] < 0.35


@needs_data
def test_annotations_of_pandalm(file, run, tmp_path):
    items = json.loads((DATA / "pandalm" / "testset-v1.json").read_text())
    path = tmp_path / "pandalm.csv"
    with path.open("w", newline="") as output:
        writer = csv.writer(output)
        writer.writerow(["unit", "rater", "value"])
        for item in items:
            for rater in ("annotator1", "annotator2", "annotator3"):
                writer.writerow([item["idx"], rater, item[rater]])
    found, _ = run(str(path))
    assert found["units"] == len(items) and found["raters"] == 3
    # Wang et al. (2024) report Cohen's kappa of 0.85, 0.86 and 0.88 between the three.
    assert sorted(round(value, 2) for value in found["cohen_kappa"].values()) == [0.85, 0.86, 0.88]
