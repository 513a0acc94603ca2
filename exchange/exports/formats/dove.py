"""DOVE's joint preferences: an instruction and response that were preferred over another instruction and response.

Bansal et al. 2024 (2404.00530), as in their repository. Pairs of one prompt are joint pairs with the same instruction.
"""

from collections.abc import Iterator

from exchange.exports.formats.base import Format, Shape, prompt_text, strings, text_of
from exchange.exports.sources import Row

COLUMNS = strings("i_chosen", "r_chosen", "i_reject", "r_reject")


def joint(row: Row) -> Iterator[Row]:
    yield {
        "i_chosen": prompt_text(row["prompt_chosen"]), "r_chosen": text_of(row["chosen"]),
        "i_reject": prompt_text(row["prompt_rejected"]), "r_reject": text_of(row["rejected"]),
    }  # fmt: skip


def preference(row: Row) -> Iterator[Row]:
    yield from joint({**row, "prompt_chosen": row["prompt"], "prompt_rejected": row["prompt"]})


FORMAT = Format(
    "dove", "DOVE, joint pairs", "i_chosen, r_chosen, i_reject, r_reject",
    {"joint": Shape(joint, COLUMNS), "preference": Shape(preference, COLUMNS)},
)  # fmt: skip
