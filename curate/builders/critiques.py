"""critiques: prompt and response -> what is right and wrong about it.

Critique fine-tuning (Wang et al. 2025, 2501.17703): instead of answering, a model learns to criticise a noisy answer;
the input is "Question: ... Solution: ..." and the critique ends with "Conclusion: right/wrong [END]". DRESS (Chen et
al. 2023, 2311.10081) trains critiques of a conversation's last turn, and keeps what to change apart from them.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from curate.builders.base import COUNTED, Builder, Candidate, Item, Options, Tools
from curate.builders.critique_text import critique_text, verdict_of
from curate.builders.said import answers_of, prompt_of, row_of
from curate.judge_prompts import conclusion_line, transcript
from curate.rows import SFT, Row, assistant, user

REQUEST = "Criticise your last answer. Say what is right and what is wrong about it, and quote the words you mean."


class CritiquesOptions(Options):
    form: Literal["conversation", "question_solution"] = Field(
        "conversation",
        description="conversation asks for the critique in a further turn, question_solution puts prompt and response "
        "into one message as critique fine-tuning does",
    )
    conclusion: Literal["where_known", "needed", "none"] = Field(
        "where_known",
        description="end with “Conclusion: right [END]” or wrong: where the rater's answers say which, only such rows, "
        "or never",
    )
    refinement: bool = Field(False, description="say after the critique what should change, where the rater did")


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    answers = answers_of(item, "critique")
    if not answers:
        tools.drop("no_critique")
    for one in answers:
        candidate = item.candidates[one.order[0]]
        parts = [critique_text(one.value)]
        if tools.options.refinement and one.value.get("refinement"):
            parts.append(f"What should change: {one.value['refinement']}")
        if not any(parts):
            tools.drop("empty")
            continue
        right = verdict_of(item, one) if tools.options.conclusion != "none" else None
        if right is None and tools.options.conclusion == "needed":
            tools.drop("no_verdict")
            continue
        if right is not None:
            parts.append(conclusion_line(right))
        columns = {
            "prompt": asked(item, candidate, tools.options.form),
            "completion": assistant("\n\n".join(part for part in parts if part)),
            "weight": 1.0,
            "task": "critique",
        }
        yield row_of(
            item, columns, answers=[one], candidates=(candidate,), models=("", candidate.model), notes={"right": right}
        )


def asked(item: Item, candidate: Candidate, form: str) -> list[dict[str, str]]:
    prompt = prompt_of(item, candidate)
    if form == "question_solution":
        return user(f"Question:\n{transcript(prompt)}\n\nSolution:\n{candidate.text}")
    return [*prompt, *assistant(candidate.text), *user(REQUEST)]


BUILDER = Builder(
    slug="critiques",
    title="Critiques",
    summary="A prompt and a response, and what a person found right and wrong about it.",
    kinds=("critique", "rubric", "selection"),
    row=SFT,
    rows=rows,
    aggregates=COUNTED,
    options=CritiquesOptions,
    reasons={
        "no_critique": "with a critique",
        "empty": "with a critique that says something beside what to change",
        "no_verdict": "where the rater's answers say right or wrong",
    },
    paper="Wang et al. 2025, 2501.17703; DRESS, 2311.10081",
)
