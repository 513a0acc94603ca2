"""Plain rows of any shape: what a column becomes is guessed from its name, and can be said."""

import re
from collections.abc import Mapping, Sequence

from exchange.imports.base import SIDES, Becomes, Format, Row
from exchange.imports.formats.common import language
from exchange.imports.turns import is_conversation, is_transcript

A = r"(?:a|1|x|left|one|first)"
B = r"(?:b|2|y|right|two|second)"
SIDED = r"(?P<side>[a-l]|[1-9]|left|right|x|y)"
NAMES: Sequence[tuple[str, str]] = (
    (r"prompt|instruction|question|query|raw_prompt|user_prompt|prompt_text|input_text|user_input", "prompt"),
    (r"input|context", "input"),
    (r"system|system_prompt|system_message", "system"),
    (r"history", "history"),
    (r"messages|conversations|conversation|dialogue|dialog|turns", "messages"),
    (r"chosen|chosen_response|preferred|response_chosen", "chosen"),
    (r"rejected|rejected_response|dispreferred|response_rejected", "rejected"),
    (r"responses|completions|answers|candidates", "responses"),
    (r"models|model_names", "models"),
    (rf"(?:response|completion|output|answer|candidate|text|generation)_?{SIDED}", "response"),
    (rf"conversation_?{SIDED}", "conversation"),
    (rf"(?:model|model_name|generator|system)_?{SIDED}(?:_name)?", "model"),
    (r"response|completion|output|answer|text|generated_text", "response:a"),
    (r"model|model_name|generator", "model:a"),
    (r"winner|preference|preferred_response|verdict|choice|overall_preference|vote|human_preference", "winner"),
    (r"label|kto_tag|desirable|thumbs|is_good", "label"),
    (r"rater|annotator|annotator_id|rater_id|worker|worker_id|user|user_id|evaluator|judge|ann_id|labeler", "rater"),
    (r"lang|language|lang_code|locale", "lang"),
    (r"tags?|category|categories|topic|task_type|subset|group", "tags"),
    (r"key|id|prompt_id|question_id|uid|uuid", "key"),
    (r"comment|comments|justification|reason|rationale|why|explanation", "comment"),
    (r"critique|judgment|judgement|feedback", "critique"),
    (r"edited|edited_response|revision|corrected|rewrite", "edited"),
    (r"criterion|criteria", "criterion"),
    (r"timestamp|created_at|answered_at|submitted_at|tstamp", "answered_at"),
    (r"lead_time|seconds|duration|time_spent", "seconds"),
    (r"rank(?:ing)?s", "ranking"),
)
PLACE = {
    "left": 0,
    "x": 0,
    "right": 1,
    "y": 1,
    **{str(n): n - 1 for n in range(1, 10)},
    **{letter.lower(): n for n, letter in enumerate(SIDES)},
}
RATED = re.compile(
    rf"(?:score|rating|scores|ratings)_(?P<dim>[a-z][a-z0-9_ -]*?)_{SIDED}$"
    rf"|(?P<dim2>[a-z][a-z0-9_ -]*?)_(?:score|rating)_(?P<side2>[a-l]|[12])$"
    rf"|(?:score|rating)s?_(?P<side3>[ab12])_(?P<dim3>[a-z][a-z0-9_ -]*)$|(?:score|rating)_(?P<side4>[ab12])$"
    rf"|(?P<dim5>[a-z][a-z0-9_ -]*?)_(?P<side5>[ab])$"
)


def guess(rows: Sequence[Row]) -> dict[str, Becomes]:
    """What columns become, by their names and first values."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    found: dict[str, Becomes] = {}
    taken: set[str] = set()
    for name in names:
        one = guess_one(name, [row.get(name) for row in rows])
        if one and str(one) not in taken:
            found[name] = one
            taken.add(str(one))
    return tidy(found, rows)


def guess_one(name: str, values: Sequence[object]) -> Becomes | None:
    plain = name.strip().lower().rsplit(".", 1)[-1].replace(" ", "_").replace("-", "_")
    for pattern, role in NAMES:
        if match := re.fullmatch(pattern, plain):
            side = match.groupdict().get("side")
            if role in ("response", "conversation", "model"):
                return Becomes(role, PLACE[side]) if side in PLACE else None
            return Becomes.parse(role)
    return guess_rating(plain, values)


def guess_rating(plain: str, values: Sequence[object]) -> Becomes | None:
    """Whole numbers from 1 to 5, in a column named after a dimension and a side."""
    given = [value for value in values if value not in (None, "")]
    if not given or not all(str(value).removesuffix(".0") in ("1", "2", "3", "4", "5") for value in given):
        return None
    match = RATED.fullmatch(plain)
    if match:
        parts = match.groupdict()
        side = next((parts[name] for name in ("side", "side2", "side3", "side4", "side5") if parts[name]), "a")
        dimension = next((parts[name] for name in ("dim", "dim2", "dim3", "dim5") if parts[name]), "overall")
        return Becomes("rating", PLACE[side], dimension.strip("_ "))
    if re.fullmatch(
        r"(?:overall_)?(?:score|rating|quality|helpfulness|correctness|coherence|harmlessness|honesty)", plain
    ):
        return Becomes("rating", 0, "overall" if plain in ("score", "rating") else plain)
    return None


def tidy(found: dict[str, Becomes], rows: Sequence[Row]) -> dict[str, Becomes]:
    """What does not go together is left out: a label of a pair is its winner, input alone is the prompt."""
    roles = {one.role: name for name, one in found.items()}
    sides = {one.side for one in found.values() if one.role in ("response", "conversation")}
    pair = len(sides) > 1 or "responses" in roles
    if "label" in roles and pair:
        del found[roles["label"]]
        if "winner" not in roles:
            found[roles["label"]] = Becomes("winner")
    if "input" in roles and not {"prompt", "messages", "chosen"} & set(roles):
        found[roles["input"]] = Becomes("prompt")
    if {"chosen", "rejected"} <= set(roles):
        first = [row.get(roles["chosen"]) for row in rows]
        if any(is_conversation(value) or is_transcript(value) for value in first):
            for name in [name for name, one in found.items() if one.role in ("prompt", "input", "system")]:
                del found[name]
        for name in [name for name, one in found.items() if one.role in ("response", "responses", "label")]:
            del found[name]
    elif "chosen" in roles or "rejected" in roles:
        for name in [name for name, one in found.items() if one.role in ("chosen", "rejected")]:
            del found[name]
    if "prompt" in roles and "messages" in roles:
        del found[roles["prompt"]]
    if "conversation" in roles:
        for name in [name for name, one in found.items() if one.role in ("prompt", "messages")]:
            del found[name]
    return found


def languages(row: Row) -> list[Row]:
    return [{**row, "language": language(row["language"])}] if "language" in row else [row]


def generic(slug: str, title: str, summary: str, shape: str) -> Format:
    return Format(slug=slug, title=title, summary=summary, shapes=(shape,), fits=lambda rows: 0.3, guess=guess)


JSONL = generic("jsonl", "JSONL", "a JSON object a line; say what its columns become", "jsonl")
JSON = generic("json", "JSON", "a list of JSON objects; say what their names become", "json")
CSV = generic("csv", "CSV", "a table with a header, by comma, semicolon or tab; say what its columns become", "csv")
PARQUET = generic("parquet", "Parquet", "a Parquet file; say what its columns become", "parquet")
XLSX = generic("xlsx", "Excel", "the first sheet of a workbook, with a header; say what its columns become", "xlsx")


def known(columns: Mapping[str, Becomes], rows: Sequence[Row]) -> dict[str, Becomes]:
    """Those of a format's columns that the rows have; dotted ones count by their first part."""
    there = {name for row in rows for name in row}
    return {name: one for name, one in columns.items() if name in there or name.split(".")[0] in there}
