"""Tasks with annotations as Label Studio writes and imports them, for the labelling configuration that comes beside.

Its Pairwise tag knows left and right alone, so a tie and both bad are a choice beside it. Answers of other kinds are
texts of JSON in a TextArea. Left is the response at position 0, whoever saw it where.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from annotate.kinds.base import LETTERS
from exchange.exports.formats.base import JSON_FILES, Format, Shape, prompt_text, text_of
from exchange.exports.sources import Row

CONFIG = (
    '<View><Text name="prompt" value="$prompt"/><Pairwise name="pw" toName="a,b"/>'
    '<Text name="a" value="$response_a"/><Text name="b" value="$response_b"/>'
    '<Choices name="verdict" toName="prompt"><Choice value="tie"/><Choice value="both bad"/></Choices>'
    '<Rating name="strength" toName="prompt" maxRating="3"/><TextArea name="why" toName="prompt"/>'
    '<TextArea name="rater" toName="prompt" editable="false"/></View>'
)


def tasks(row: Row) -> Iterator[Row]:
    data = {"id": f"task-{row['task']}", "prompt": prompt_text(row["prompt"]), "prompt_key": row["prompt_key"]}
    for place, one in enumerate(row["responses"]):
        data[f"response_{LETTERS[place].lower()}"] = one["text"]
        data[f"model_{LETTERS[place].lower()}"] = one["model"]
    yield task(row["task"], data, [annotation(answer) for answer in row["answers"]])


def task(number: int | None, data: Row, annotations: list[Row]) -> Row:
    known = {} if number is None else {"id": number}
    return {**known, "data": data, "annotations": annotations, "predictions": [], "drafts": []}


def annotation(answer: Row) -> Row:
    spent = {"lead_time": answer["active_ms"] / 1000} if "active_ms" in answer else {}
    return {
        "id": answer["id"], "result": result(answer), "was_cancelled": False, "ground_truth": False,
        "created_at": answer["answered_at"], **spent,
    }  # fmt: skip


def result(answer: Row) -> list[Row]:
    preference, found = answer["preference"], []
    if preference:
        found.append(region("pw", "a,b", "pairwise", selected="left" if preference > 0 else "right"))
        found.append(region("strength", "prompt", "rating", rating=abs(preference)))
    elif preference == 0 or answer["value"].get("both_bad"):
        found.append(
            region("verdict", "prompt", "choices", choices=["tie" if preference == 0 else "both bad"])
        )  # fmt: skip
    if answer["kind"] not in {"pairwise", "chat"}:
        text = orjson.dumps({**answer["value"], "order": answer["order"]}).decode()
        found.append(region(answer["kind"], "prompt", "textarea", text=[text]))
    if answer.get("comment"):
        found.append(region("why", "prompt", "textarea", text=[answer["comment"]]))
    if answer["person"]:  # Label Studio refuses a file whose `completed_by` is none of its own users
        found.append(region("rater", "prompt", "textarea", text=[answer["person"]]))
    return found


def region(name: str, target: str, kind: str, **value: Any) -> Row:
    return {"from_name": name, "to_name": target, "type": kind, "value": value}


def preference(row: Row) -> Iterator[Row]:
    """A frozen pair: what its raters decided together is one annotation. The sides are by the prompt, not all left."""
    left = sum(row["prompt_key"].encode()) % 2 == 0
    texts = [text_of(row["chosen"]), text_of(row["rejected"])]
    first, second = texts if left else texts[::-1]
    data = {
        "prompt": prompt_text(row["prompt"]), "prompt_key": row["prompt_key"], "split": row.get("split"),
        "response_a": first, "response_b": second,
    }  # fmt: skip
    decided = (
        region("verdict", "prompt", "choices", choices=["tie"]) if row.get("tie")
        else region("pw", "a,b", "pairwise", selected="left" if left else "right")
    )  # fmt: skip
    yield task(None, data, [{"result": [decided], "was_cancelled": False, "ground_truth": False}])


def beside(kind: str, filename: str) -> dict[str, Any]:
    return {"labeling_config": CONFIG}


FORMAT = Format(
    "label_studio", "Label Studio", "tasks with annotations",
    {"tasks": Shape(tasks, ()), "preference": Shape(preference, ())},
    files=JSON_FILES, extras=False, together=True, beside=beside,
)  # fmt: skip
