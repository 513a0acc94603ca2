"""critique: mark what is right and wrong in one response, say so in words, and say apart from that what to change.

DRESS (Chen et al. 2023, 2311.10081): a critique (strengths and weaknesses) and a refinement (an instruction to the
writer) train different things, so they are different fields.

A mark is a span of the response's own text, Markdown signs included, counted in Unicode code points as Python counts
them. The page therefore shows that text letter by letter and not as rendered Markdown, and each mark carries the words
it covers: where both do not fit together, nothing is stored. Spans may overlap. On the page a new mark is minor until
its severity is said, so that one critical mark does not make the next one critical.
"""

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from annotate.kinds.base import Answer, AnswerError, Kind, Options, Shown, parse_comment, parse_text

SEVERITIES = ("minor", "major", "critical")
MAX_MARKS = 200
MAX_MARK_COMMENT = 2_000
COLOURS = ("k-fact", "k-unclear", "k-unsafe", "k-style")
"""Classes of the labels in their order; praise is always k-good."""
RELOAD = "Reload the page; your draft is kept."


class CritiqueOptions(Options):
    labels: list[str] = Field(
        ["factual error", "unclear", "unsafe", "style", "good"],
        min_length=1, max_length=9, description="what a mark can say; the digits 1 to 9 choose them",
    )  # fmt: skip
    praise: list[str] = Field(["good"], description="those of the labels that are no fault, and have no severity")
    needs_refinement: bool = Field(True, description="a critical mark needs a change to go with it")
    dimensions: list[str] = Field(
        [], max_length=6, description="a field of critique for each of these, such as helpful, honest, harmless"
    )

    @model_validator(mode="after")
    def labels_are_told_apart(self) -> Self:
        for names in (self.labels, self.dimensions):
            if len(set(names)) < len(names) or not all(name.strip() and len(name) <= 40 for name in names):
                raise ValueError("labels and dimensions have 1 to 40 characters, and each is named once")
        return self


def parse(data: Mapping[str, str], shown: Shown) -> Answer:
    """`marks` is JSON, a list of {start, end, quote, label, severity, comment}; the rest are plain texts.

    value: {"marks", "strengths", "weaknesses", "refinement"}, and "dimensions": {name: text} where the step has some.
    Marks are in the order of the text. The severity of praise is "".
    """
    options: CritiqueOptions = shown.options or CritiqueOptions()
    value: dict[str, Any] = {
        "marks": parse_marks(data.get("marks", ""), shown.texts[0], options),
        "strengths": parse_text(data, "strengths", "What is right"),
        "weaknesses": parse_text(data, "weaknesses", "What is wrong"),
        "refinement": parse_text(data, "refinement", "What should change"),
    }
    if options.dimensions:
        texts = {name: parse_text(data, f"dimension-{n}", name) for n, name in enumerate(options.dimensions)}
        value["dimensions"] = {name: text for name, text in texts.items() if text}
    if not any(value.values()):
        raise AnswerError("Nothing is said yet. Mark words of the answer, or write what is right, wrong or to change.")
    critical = any(mark["severity"] == "critical" for mark in value["marks"])
    if critical and options.needs_refinement and not value["refinement"]:
        raise AnswerError("A critical mark needs a change to go with it. Write what should change, then send.")
    return Answer(value=value, preference=None, comment=parse_comment(data))


def parse_marks(raw: str, text: str, options: CritiqueOptions) -> list[dict[str, Any]]:
    try:
        given = json.loads(raw) if raw.strip() else []
        json.dumps(given, ensure_ascii=False).encode()  # half a character cannot be stored
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"The marks arrived damaged. {RELOAD}") from error
    if not isinstance(given, list) or not all(isinstance(mark, dict) for mark in given):
        raise AnswerError(f"The marks arrived damaged. {RELOAD}")
    if len(given) > MAX_MARKS:
        raise AnswerError(f"There are {len(given):,} marks, {MAX_MARKS} are allowed. Delete some and send again.")
    marks = [parse_mark(mark, number, text, options) for number, mark in enumerate(given, 1)]
    return sorted(marks, key=lambda mark: (mark["start"], mark["end"]))


def parse_mark(mark: Mapping[str, Any], number: int, text: str, options: CritiqueOptions) -> dict[str, Any]:
    start, end, label = mark.get("start"), mark.get("end"), mark.get("label")
    # A bool is an int, and true is no place in a text.
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(text):
        raise AnswerError(f"Mark {number} does not lie in the text of the answer. {RELOAD}")
    if mark.get("quote") != text[start:end]:
        raise AnswerError(f"Mark {number} does not fit the text of the answer: its words stand elsewhere. {RELOAD}")
    if label not in options.labels:
        known = ", ".join(options.labels)
        raise AnswerError(f"Mark {number} has the label {str(label)[:40]!r}. There are {known}. Choose one of them.")
    severity = "" if label in options.praise else mark.get("severity")
    if severity not in SEVERITIES and label not in options.praise:
        raise AnswerError(f"Mark {number} has no severity. Choose minor, major or critical.")
    comment = parse_text(
        {"comment": str(mark.get("comment") or "")}, "comment", f"The comment of mark {number}", most=MAX_MARK_COMMENT
    )
    return {"start": start, "end": end, "quote": text[start:end], "label": label, "severity": severity,
            "comment": comment}  # fmt: skip


def fields(value: Mapping[str, Any], shown: Shown) -> dict[str, str]:
    options: CritiqueOptions = shown.options or CritiqueOptions()
    found = {name: str(value.get(name, "")) for name in ("strengths", "weaknesses", "refinement")}
    for n, name in enumerate(options.dimensions):
        found[f"dimension-{n}"] = str(value.get("dimensions", {}).get(name, ""))
    marks = value.get("marks", [])
    return found | {"marks": json.dumps(marks, ensure_ascii=False) if marks else ""}


def say(value: Mapping[str, Any]) -> str:
    marks = value.get("marks", [])
    critical = sum(mark["severity"] == "critical" for mark in marks)
    parts = []
    if marks:
        words = f"{len(marks)} {'mark' if len(marks) == 1 else 'marks'}"
        parts.append(f"{words}, {critical} critical" if critical else words)
    if value.get("strengths") or value.get("weaknesses") or value.get("dimensions"):
        parts.append("a critique")
    if value.get("refinement"):
        parts.append("a change asked for")
    return "; ".join(parts)


def context(shown: Shown) -> dict[str, Any]:
    options: CritiqueOptions = shown.options or CritiqueOptions()
    faults = [name for name in options.labels if name not in options.praise]
    return {
        "options": options,
        "labels": [
            {
                "name": name,
                "key": n,
                "praise": name in options.praise,
                "colour": "k-good" if name in options.praise else COLOURS[faults.index(name) % len(COLOURS)],
            }
            for n, name in enumerate(options.labels, 1)
        ],
        "severities": SEVERITIES,
        "dimensions": [{"name": name, "field": f"dimension-{n}"} for n, name in enumerate(options.dimensions)],
        "most_marks": MAX_MARKS,
    }


KIND = Kind(
    slug="critique",
    title="Critique",
    question="What is right, what is wrong, and what should change?",
    least=1,
    most=1,
    parse=parse,
    fields=fields,
    say=say,
    options=CritiqueOptions,
    context=context,
    reads_texts=True,
    keys=(
        (("m",), "Mark words: then the arrows go through the text by word and sentence, with Shift they select"),
        (("Alt",), "Held as the mouse is let go: mark a part of a word. Without it whole words are taken"),
        (("1", "…", "9"), "While marking: choose the label. Else: open that mark again"),
        (("[", "]"), "While marking: less or more severe, also − and +"),
        (("Enter",), "While marking: set the mark and write its comment"),
        (("Del",), "While a mark is open: delete it"),
        (("q",), "What is right"),
        (("w",), "What is wrong"),
        (("e",), "What should change"),
    ),
)
