"""Records as Argilla 2 writes and reads them: fields, and the answers of every rater by question.

https://docs.argilla.io/latest/reference/argilla/records/. Argilla names raters by UUID, so each pseudonym (or name)
becomes the UUID that it always becomes; `metadata.people` says which is whose.
"""

import uuid
from collections.abc import Iterator
from typing import Any

from annotate.kinds.base import LETTERS
from exchange.exports.formats.base import JSON_FILES, Format, Shape, prompt_text, text_of
from exchange.exports.sources import Row

PREFERRED = {1: "response_a", -1: "response_b", 0: "tie"}


def record(key: str, fields: Row, metadata: Row, responses: Row) -> Row:
    return {
        "id": key, "status": "completed" if responses else "pending", "fields": fields, "metadata": metadata,
        "suggestions": {}, "responses": responses, "vectors": {},
    }  # fmt: skip


def user_id(person: str | None, place: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"palate:{person or f'rater {place}'}"))


def tasks(row: Row) -> Iterator[Row]:
    fields = {"prompt": prompt_text(row["prompt"])} | {
        f"response_{LETTERS[place].lower()}": one["text"] for place, one in enumerate(row["responses"])
    }
    people: dict[str, str] = {}
    responses: dict[str, list[Row]] = {}
    for place, answer in enumerate(row["answers"]):
        who = user_id(answer["person"], place)
        if answer["person"]:
            people[who] = answer["person"]
        for question, value in questions(answer).items():
            responses.setdefault(question, []).append({"value": value, "user_id": who})
    metadata = {
        "prompt_key": row["prompt_key"], "lang": row["lang"], "models": [one["model"] for one in row["responses"]],
        "people": people,
    }  # fmt: skip
    yield record(f"task-{row['task']}", fields, metadata, responses)


def questions(answer: Row) -> dict[str, Any]:
    """What an answer says, by question: in canonical order, so that response_a is the same text for every rater."""
    found: dict[str, Any] = {}
    value = answer["value"]
    if answer["preference"] is not None:
        preference = answer["preference"]
        found["preference"] = PREFERRED[(preference > 0) - (preference < 0)]
        found["strength"] = abs(preference)
    elif value.get("both_bad"):
        found["preference"] = "both_bad"
    if answer["kind"] == "ranking":
        ranks = dict(zip(answer["order"], value["ranks"], strict=True))
        found["ranking"] = [
            {"value": f"response_{LETTERS[position].lower()}", "rank": rank} for position, rank in sorted(ranks.items())
        ]
    elif answer["kind"] == "edit":
        found["edit"] = value["text"]
    elif answer["kind"] == "selection":
        found["fits"] = [f"response_{LETTERS[answer['order'][place]].lower()}" for place in value.get("fits", [])]
    elif answer["kind"] not in {"pairwise", "chat"}:
        found[answer["kind"]] = {**value, "order": answer["order"]}
    if answer.get("comment"):
        found["comment"] = answer["comment"]
    return found


def preference(row: Row) -> Iterator[Row]:
    fields = {
        "prompt": prompt_text(row["prompt"]), "chosen": text_of(row["chosen"]), "rejected": text_of(row["rejected"])
    }  # fmt: skip
    names = ("prompt_key", "lang", "split", "margin", "agreement", "raters", "people", "feedback_ids")
    yield record(key_of(row), fields, {name: row.get(name) for name in names}, {})


def single(row: Row) -> Iterator[Row]:
    fields = {"prompt": prompt_text(row["prompt"]), "completion": text_of(row["completion"])}
    names = ("prompt_key", "lang", "split", "label", "people", "feedback_ids")
    yield record(key_of(row), fields, {name: row[name] for name in names if name in row}, {})


def key_of(row: Row) -> str:
    """The same for the same row in each export."""
    return "-".join([row["prompt_key"], *map(str, row.get("feedback_ids") or ())])[:200]


FORMAT = Format(
    "argilla", "Argilla", "records with every response",
    {
        "tasks": Shape(tasks, ()), "preference": Shape(preference, ()), "unpaired": Shape(single, ()),
        "sft": Shape(single, ()),
    },
    files=JSON_FILES, extras=False, together=True,
)  # fmt: skip
