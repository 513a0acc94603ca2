"""Each format of a frozen dataset: what it writes, what it refuses, and that it can be read back."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from accounts.models import Project
from annotate.models import Feedback
from curate.rows import ROW_TYPES
from exchange.exports.errors import ExportError
from exchange.exports.formats import FORMATS
from exchange.exports.stream import prepare
from registry.specs import ExportSpec
from registry.specs.export import FormatName
from tests.exchange.exports.conftest import COLUMNS, TEXTS, Freeze
from tests.exchange.exports.making import rows

pytestmark = pytest.mark.django_db
SHARED = Path("/work/shared/data")
CAN = {
    "trl": {"preference", "unpaired", "sft"}, "trl_standard": {"preference", "unpaired", "sft"},
    "kto": {"preference", "unpaired"}, "sharegpt": {"preference", "unpaired", "sft"}, "openai": {"preference", "sft"},
    "argilla": {"preference", "unpaired", "sft"}, "label_studio": {"preference"}, "dove": {"preference", "joint"},
    "plain": set(ROW_TYPES),
}  # fmt: skip
FITTING = [(name, kind) for name in sorted(CAN) for kind in sorted(CAN[name])]
BARE: dict[str, Any] = {"dataset": "prefs-v1", "extras": False}


def test_the_names_of_the_spec_are_the_formats() -> None:
    assert set(get_args(FormatName)) == set(FORMATS) == set(CAN)


@pytest.mark.parametrize(("name", "kind"), FITTING)
def test_every_file_that_a_format_offers_holds_the_same(project: Project, freeze: Freeze, name: str, kind: str) -> None:
    freeze(kind)
    expected = rows(project, dataset="prefs-v1", format=name)
    assert len(expected) == (8 if (name, kind) == ("kto", "preference") else 4)
    for file in FORMATS[name].files:
        found = rows(project, dataset="prefs-v1", format=name, file=file)
        if file == "csv":
            assert len(found) == len(expected)
            assert list(found[0]) == prepare(project, ExportSpec(dataset="prefs-v1", format=name)).schema.names
        else:
            assert found == expected


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n in sorted(CAN) for k in ROW_TYPES if k not in CAN[n]])
def test_what_a_format_cannot_hold_is_refused_in_a_sentence(
    project: Project, freeze: Freeze, name: str, kind: str
) -> None:
    freeze(kind)
    with pytest.raises(ExportError, match=r"cannot hold .*, which prefs-v1 is made of: it holds .*\. Choose another"):
        prepare(project, ExportSpec(dataset="prefs-v1", format=name))


def test_trl_rows(project: Project, freeze: Freeze) -> None:
    freeze()
    want = COLUMNS["preference"]
    assert rows(project, format="trl", **BARE)[0] == {
        "prompt": want["prompt"], "chosen": want["chosen"], "rejected": want["rejected"], "margin": 2.0
    }  # fmt: skip
    assert rows(project, format="trl_standard", **BARE)[0] == {
        "prompt": "Is it safe?", "chosen": TEXTS[0], "rejected": TEXTS[1], "margin": 2.0
    }  # fmt: skip


def test_kto_rows_and_ties(project: Project, freeze: Freeze) -> None:
    freeze(rows=1, columns={"tie": False})
    assert [(row["completion"][0]["content"], row["label"]) for row in rows(project, format="kto", **BARE)] == [
        (TEXTS[0], True), (TEXTS[1], False),
    ]  # fmt: skip
    freeze(rows=1, columns={"tie": True}, name="ties")
    for name in ("kto", "openai"):
        assert rows(project, dataset="ties-v1", format=name) == []


def test_several_turns_as_text(project: Project, freeze: Freeze) -> None:
    turns = [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Why?")]
    freeze(columns={"prompt": [{"role": role, "content": text} for role, text in turns]})
    assert rows(project, format="trl_standard", **BARE)[0]["prompt"] == (
        "Be kind.\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant:"
    )
    found = rows(project, format="sharegpt", **BARE)[0]["conversations"]
    assert [one["from"] for one in found] == ["system", "human", "gpt", "human"]


def test_openai_rows_have_no_other_keys(project: Project, freeze: Freeze) -> None:
    freeze()
    want = COLUMNS["preference"]
    assert rows(project, dataset="prefs-v1", format="openai")[0] == {
        "input": {"messages": want["prompt"], "tools": [], "parallel_tool_calls": True},
        "preferred_output": want["chosen"], "non_preferred_output": want["rejected"],
    }  # fmt: skip
    freeze("sft", name="sft")
    assert rows(project, dataset="sft-v1", format="openai")[0] == {
        "messages": [*COLUMNS["sft"]["prompt"], *COLUMNS["sft"]["completion"]]
    }


@pytest.mark.parametrize(
    ("format_name", "kind", "path"),
    [
        ("sharegpt", "preference", "llamafactory/dpo_en_demo.json"),
        ("sharegpt", "unpaired", "llamafactory/kto_en_demo.json"),
        ("dove", "joint", "dove/val_conditional_pref.jsonl"),
    ],
)
def test_keys_are_those_of_the_original(
    project: Project, freeze: Freeze, format_name: str, kind: str, path: str
) -> None:
    if not (SHARED / path).exists():
        pytest.skip(f"{SHARED / path} is not there")
    text = (SHARED / path).read_text()
    original = json.loads(text) if path.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    freeze(kind)
    found = rows(project, format=format_name, **BARE)[0]
    assert shape(found) == shape(original[0])


def shape(value: Any) -> Any:
    """Keys and types; of a list the first item, since lengths differ."""
    if isinstance(value, dict):
        return {name: shape(value[name]) for name in sorted(value)}
    return [shape(value[0])] if isinstance(value, list) else type(value).__name__


def test_llama_factory_is_told_of_the_file(project: Project, freeze: Freeze) -> None:
    beside = FORMATS["sharegpt"].beside
    assert beside is not None
    assert beside("preference", "helpful-prefs-v1.jsonl") == {
        "helpful_prefs_v1": {
            "file_name": "helpful-prefs-v1.jsonl", "formatting": "sharegpt", "ranking": True,
            "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
        }
    }  # fmt: skip


def test_extras_say_where_a_row_came_from(project: Project, freeze: Freeze, votes: list[Feedback]) -> None:
    freeze(votes=votes)
    row = rows(project, dataset="prefs-v1", format="trl")[0]
    assert row["split"] == "train"
    assert row["feedback_ids"] == [vote.pk for vote in votes]
    assert len(row["people"]) == len(votes)
    assert row["people"][0] == row["people"][3] == rows(project, what="answers")[0]["person"]
    assert "people" not in rows(project, dataset="prefs-v1", format="trl", people="left_out")[0]
    assert rows(project, dataset="prefs-v1", format="plain", people="names")[0]["people"][0] == "rater-0"


def test_one_split_alone(project: Project, freeze: Freeze) -> None:
    freeze()
    assert [row["split"] for row in rows(project, dataset="prefs-v1")] == ["train"] * 3 + ["held_out"]
    assert [row["split"] for row in rows(project, dataset="prefs-v1", splits=["held_out"])] == ["held_out"]


@pytest.mark.parametrize("file", ["jsonl", "json", "csv", "parquet"])
def test_an_empty_dataset(project: Project, freeze: Freeze, file: str) -> None:
    freeze(rows=0)
    assert rows(project, dataset="prefs-v1", format="trl", file=file) == []


def test_a_file_that_the_reader_does_not_take_is_refused(project: Project, freeze: Freeze) -> None:
    freeze()
    with pytest.raises(ExportError, match="OpenAI fine-tuning cannot be written as Parquet: take JSON Lines"):
        prepare(project, ExportSpec(dataset="prefs-v1", format="openai", file="parquet"))
