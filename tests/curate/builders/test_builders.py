"""What holds of every builder: its line in BUILDERS, its options as a form, its rows as a trainer reads them."""

from typing import get_args

import pytest

from annotate.kinds import KINDS
from curate.builders import BUILDERS
from curate.rows import ROW_TYPES
from registry.specs.build_dataset import RowsOf
from tests.curate.builders.items import (
    QUESTION,
    as_table,
    build,
    candidates,
    critique,
    decision,
    edit,
    item,
    ranked,
    rated,
    selected,
    voted,
)  # fmt: skip

READ_BY_TRL = [slug for slug, one in BUILDERS.items() if one.row.slug in {"preference", "unpaired", "sft"}]


def everything():
    """An item that every builder makes rows of."""
    vote = voted(2)
    found = candidates("An hour, or 60 minutes.", "A minute.", scores=[3.0, -1.0], embedding=[1.0, 0.0])
    answers = [vote, ranked(1, 2), rated({"fluency": 5}, {"fluency": 2}), selected(0, shown=[0, 1]),
               critique(weaknesses="Bland.", step=1), edit("An hour, with salt.", cost=2, step=2)]  # fmt: skip
    return item(candidates=found, answers=answers, decisions=[decision(0, vote)])


def test_builders_and_the_recipe_s_choices_are_the_same() -> None:
    assert list(BUILDERS) == list(get_args(RowsOf))


@pytest.mark.parametrize("slug", BUILDERS)
def test_a_builder_is_filed_under_its_slug_and_says_what_it_is(slug: str) -> None:
    builder = BUILDERS[slug]
    assert builder.slug == slug and builder.title and builder.summary.endswith(".")
    assert set(builder.kinds) <= set(KINDS) and builder.row is ROW_TYPES[builder.row.slug]
    assert builder.reads in {"decisions", "answers", "scores"} and bool(builder.kinds) == (builder.reads != "scores")
    assert all(builder.reasons.values())


@pytest.mark.parametrize("slug", BUILDERS)
def test_every_option_is_described_has_a_default_and_numbers_have_bounds(slug: str) -> None:
    for name, field in BUILDERS[slug].options.model_fields.items():
        assert field.description, name
        assert not field.is_required(), name
        if field.annotation in {int, float}:
            bounds = {type(one).__name__ for one in field.metadata}
            assert bounds & {"Ge", "Gt"} and bounds & {"Le", "Lt"}, name


@pytest.mark.parametrize("slug", BUILDERS)
def test_every_builder_makes_rows_of_its_type_that_know_where_they_came_from(slug: str) -> None:
    builder = BUILDERS[slug]
    built = build(builder, everything())
    assert built.rows
    for row in built.rows:
        assert row.prompt_key == "p-1" and row.lang == "en" and row.models
        assert bool(row.feedback_ids) == (builder.reads != "scores")
    assert as_table(builder, built.rows).num_rows == len(built.rows)


@pytest.mark.parametrize("slug", READ_BY_TRL)
def test_trl_takes_the_rows_as_they_are(slug: str) -> None:
    data_utils = pytest.importorskip("trl.data_utils", reason="TRL is a peer of the benchmarks: make bench installs it")
    for row in as_table(BUILDERS[slug], build(BUILDERS[slug], everything()).rows).to_pylist():
        assert data_utils.is_conversational(row)
        roles = [one["role"] for one in row["prompt"]]
        assert roles[-1] == "user" and set(roles) <= {"system", "user", "assistant"}
        filled = data_utils.maybe_apply_chat_template(row, Template())
        assert filled["prompt"].endswith("[assistant]")
        ends = {"chosen", "rejected"} & set(filled) or {"completion"}
        assert all(filled[name].endswith("[end]") for name in ends)
        assert ("label" in filled) == (BUILDERS[slug].row.slug == "unpaired")


class Template:
    """A chat template without a model: what TRL calls of a tokenizer to turn messages into text."""

    def apply_chat_template(self, conversation, *, add_generation_prompt=False, **_) -> str:
        text = "".join(f"[{one['role']}]{one['content']}[end]" for one in conversation)
        return text + ("[assistant]" if add_generation_prompt else "")


def test_a_prompt_column_holds_roles_and_contents_alone() -> None:
    one = item("w", messages=[{**QUESTION[0], "origin": "form"}], answers=[edit("x", cost=1)])
    for slug in ("edits", "edited", "figa"):
        assert build(BUILDERS[slug], one).column("prompt") == [QUESTION]
