"""Two named models, and who won: Arena exports, llmfao's crowd comparisons, PRD's votes without texts."""

from collections.abc import Sequence

from exchange.imports.base import Format, Row
from exchange.imports.formats.common import ANY, language, read, share


def fits_arena(rows: Sequence[Row]) -> float:
    def one(row: Row) -> bool:
        won = "winner" in row or "winner_model_a" in row
        texts = {"conversation_a", "question", "prompt", "response_a", "question_id"} & set(row)
        return {"model_a", "model_b"} <= set(row) and won and bool(texts)

    return 0.95 * share(rows, one)


def unfold(row: Row) -> list[Row]:
    """Names of languages as codes, and the three columns of the Kaggle edition as one winner."""
    found = dict(row)
    if "language" in found:
        found["language"] = language(found["language"])
    if "winner_model_a" in found and "winner" not in found:
        sides = {"a": "winner_model_a", "b": "winner_model_b", "tie": "winner_tie"}
        found["winner"] = next(
            (side for side, name in sides.items() if str(found.get(name)) in ("1", "1.0", "True")), None
        )
    if isinstance(found.get("conversation_a"), list):  # the prompt is what both conversations share
        for name in ("prompt", "question"):
            found.pop(name, None)
    return [found]


ARENA = Format(
    slug="arena", title="Arena battles", summary="model_a, model_b and winner, with conversations, texts or neither",
    shapes=ANY, fits=fits_arena, unfold=unfold,
    columns=read({
        "question_id": "key", "prompt": "prompt", "question": "prompt", "conversation_a": "conversation:a",
        "conversation_b": "conversation:b", "response_a": "response:a", "response_b": "response:b",
        "answer_a": "response:a", "answer_b": "response:b", "model_a": "model:a", "model_b": "model:b",
        "winner": "winner", "judge": "rater", "evaluator": "rater", "language": "lang", "tstamp": "answered_at",
    }),
)  # fmt: skip
LLMFAO = Format(
    slug="llmfao", title="llmfao crowd comparisons", summary="a crowd's votes on models, without the texts",
    shapes=ANY, needs=("prompt", "left", "right", "worker", "winner"),
    columns=read({
        "prompt": "key", "left": "model:a", "right": "model:b", "worker": "rater",
        "winner": "winner(left=a, right=b, tie=tie)",
    }),
)  # fmt: skip
PRD = Format(
    slug="prd", title="PRD votes", summary="several votes a question and pair of models, without texts and names",
    shapes=ANY, needs=("question_id", "left", "right", "winner"),
    fits=lambda rows: 0.9 * share(rows, lambda row: set(row) == {"question_id", "left", "right", "winner"}),
    columns=read({
        "question_id": "key", "left": "model:a", "right": "model:b", "winner": "winner(left=a, right=b, tie=tie)",
    }),
)  # fmt: skip
LFQA = Format(
    slug="lfqa-experts", title="Long-form QA experts", summary="experts' preferences between two answers, with reasons",
    shapes=ANY, needs=("question", "answer_a", "answer_b", "overall_preference"),
    columns=read({
        "question": "prompt", "answer_a": "response:a", "answer_b": "response:b", "answer_a_type": "model:a",
        "answer_b_type": "model:b", "overall_preference": "winner(-1=a, 1=b, 0=tie)", "justification": "comment",
    }),
)  # fmt: skip
TULU = Format(
    slug="tulu-human-eval", title="Tülu human evaluation", summary="five steps of preference, and what is acceptable",
    shapes=ANY, needs=("prompt", "model_a", "completion_a", "completion_b", "preference", "evaluator"),
    columns=read({
        "prompt": "prompt", "model_a": "model:a", "model_b": "model:b", "completion_a": "response:a",
        "completion_b": "response:b", "preference": "winner", "evaluator": "rater", "timestamp": "answered_at",
        "completion_a_is_acceptable": "fits:a",
        "completion_b_is_acceptable": "fits:b", "comment": "comment",
    }),
)  # fmt: skip
