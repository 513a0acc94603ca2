"""HH-RLHF: {chosen, rejected}, whole transcripts that differ in the last answer (Bai et al. 2022, arXiv 2204.05862).

Beside it the HHH alignment test (Askell et al. 2021, arXiv 2112.00861) as Prometheus-Eval writes it: one text a side
that holds instruction, response and rubric under headings.
"""

import re
from collections.abc import Sequence

from exchange.imports.base import Format, Row
from exchange.imports.formats.common import OBJECTS, read, share
from exchange.imports.turns import LineError, is_transcript

HEADING = re.compile(r"^###([^\n:]+):[ ]*\n?", re.MULTILINE)
ASKED, ANSWERED, RUBRIC = "The instruction to evaluate", "Response to evaluate", "Score Rubrics"


def fits(rows: Sequence[Row]) -> float:
    return 0.98 * share(rows, lambda row: is_transcript(row.get("chosen")) and is_transcript(row.get("rejected")))


HH = Format(
    slug="hh-rlhf", title="HH-RLHF", summary="chosen and rejected transcripts with Human: and Assistant: turns",
    shapes=("jsonl", "json", "parquet", "csv"), needs=("chosen", "rejected"), fits=fits,
    columns=read({"chosen": "chosen", "rejected": "rejected"}),
)  # fmt: skip


def sections(text: object) -> dict[str, str]:
    """The text under each heading, without the space around it."""
    if not isinstance(text, str):
        raise LineError("The instruction is not a text.")
    marks = list(HEADING.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    found = {mark[1].strip(): text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}
    if ASKED not in found or ANSWERED not in found:
        raise LineError(f"The heading “###{ASKED}” or “###{ANSWERED}” is missing.")
    return found


def unfold(row: Row) -> list[Row]:
    chosen, rejected = sections(row.get("chosen_instruction")), sections(row.get("rejected_instruction"))
    return [{
        "source": row.get("source"), "prompt": chosen[ASKED], "chosen": chosen[ANSWERED],
            "rejected": rejected[ANSWERED],
    }]  # fmt: skip


HHH = Format(
    slug="hhh-alignment", title="HHH alignment test", summary="helpful, honest, harmless and other, as judge prompts",
    shapes=OBJECTS, needs=("chosen_instruction", "rejected_instruction"), unfold=unfold,
    columns=read({"source": "tags", "prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}),
)  # fmt: skip
