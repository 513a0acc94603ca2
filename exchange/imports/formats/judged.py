"""Pairs with labels of the people who made them, to test judges with: PandaLM, LLMBar, EvalBiasBench, DOVE; CUT."""

from collections.abc import Sequence

from exchange.imports.base import Format, Row
from exchange.imports.formats.common import ANY, OBJECTS, read, share


def models_of_pair(row: Row) -> list[Row]:
    """cmp_key "bloom-7b_llama-7b" names both models."""
    parts = str(row.get("cmp_key", "")).split("_")
    return [{**row, "model_a": parts[0], "model_b": parts[1]}] if len(parts) == 2 else [row]


PANDALM = Format(
    slug="pandalm", title="PandaLM test set", summary="two responses, three annotators: 0 tie, 1 first, 2 second",
    shapes=ANY, needs=("instruction", "response1", "response2", "annotator1", "annotator2", "annotator3"),
    unfold=models_of_pair, made={"model_a": "cmp_key", "model_b": "cmp_key"},
    columns=read({
        "instruction": "prompt", "input": "input", "response1": "response:a", "response2": "response:b",
        "model_a": "model:a", "model_b": "model:b", "motivation_app": "tags",
        **{f"annotator{n}": f"winner:annotator{n}(0=tie, 1=a, 2=b)" for n in (1, 2, 3)},
    }),
)  # fmt: skip


def fits_llmbar(rows: Sequence[Row]) -> float:
    return 0.95 * share(rows, lambda row: {"input", "output_1", "output_2", "label"} <= set(row))


LLMBAR = Format(
    slug="llmbar", title="LLMBar", summary="an instruction, two outputs, and which one follows it: 1 or 2",
    shapes=ANY, fits=fits_llmbar,
    columns=read({
        "input": "prompt", "output_1": "response:a", "output_2": "response:b", "label": "winner:label(1=a, 2=b)",
        "group": "tags",
    }),
)  # fmt: skip
BIAS_BENCH = Format(
    slug="evalbiasbench", title="EvalBiasBench", summary="pairs that a biased judge gets wrong, by bias",
    shapes=OBJECTS, needs=("bias", "instruction", "response1", "response2", "label"),
    columns=read({
        "bias": "tags", "instruction": "prompt", "response1": "response:a", "response2": "response:b",
        "label": "winner:label(1=a, 2=b)",
    }),
)  # fmt: skip
DOVE = Format(
    slug="dove", title="DOVE", summary="joint preferences of two prompts, each with its response (arXiv 2404.00530)",
    shapes=ANY, needs=("i_chosen", "r_chosen", "i_reject", "r_reject"),
    columns=read({
        "i_chosen": "prompt_of:a", "r_chosen": "chosen", "i_reject": "prompt_of:b", "r_reject": "rejected",
    }),
)  # fmt: skip
FAILED = "$ERROR$"
"""What stands in CUT's files where its judge gave nothing."""


def judged(row: Row) -> list[Row]:
    return [{**row, "judgment": ""} if str(row.get("judgment", "")).strip() == FAILED else row]


CUT = Format(
    slug="cut", title="CUT critiques",
    summary=f"an output and a judgment of it in words; {FAILED} is none (arXiv 2312.14591)",
    shapes=ANY, needs=("instruction", "output", "judgment"), unfold=judged,
    columns=read({
        "instruction": "prompt", "input": "input", "output": "response:a", "judgment": "critique",
    }),
)  # fmt: skip
