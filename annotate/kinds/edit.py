"""edit: write the response as it should have been. What it took is counted in words.

PRELUDE (Gao et al. 2024, 2404.15269): the cost of an edit is the Levenshtein distance over word tokens of draft and
edit, unnormalised (annotate.worddiff). A response that is sent unchanged was accepted as it is. Every round is stored,
so that preferences can be learnt from the pairs of draft and edit (CIPHER).
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from annotate.kinds.base import Answer, AnswerError, Kind, Options, Shown, parse_comment, parse_text
from annotate.worddiff import cost_of_edit

MAX_EDIT = 100_000
"""Characters of an edit; twice the draft where that is more."""
MAX_NOTE = 4_000


class EditOptions(Options):
    note: bool = Field(False, description="ask why it was changed, in a field of its own that may stay empty")


def parse(data: Mapping[str, str], shown: Shown) -> Answer:
    """`text` is the whole edited response, `note` why it was changed. The cost that a page shows is not read.

    value: {"text", "cost": words changed, "accepted": nothing but space at the ends differs}, and "note" if given. An
    accepted text is stored as the draft has it, to the letter.
    """
    options: EditOptions = shown.options or EditOptions()
    draft = shown.texts[0]
    text = parse_edit(data, draft)
    accepted = text.strip() == with_plain_ends(draft).strip()
    value: dict[str, Any] = {
        "text": draft if accepted else text,
        "cost": 0 if accepted else cost_of_edit(draft, text),
        "accepted": accepted,
    }
    if options.note and (note := parse_text(data, "note", "The reason", most=MAX_NOTE)):
        value["note"] = note
    return Answer(value=value, preference=None, comment=parse_comment(data))


def parse_edit(data: Mapping[str, str], draft: str) -> str:
    text = with_plain_ends(data.get("text", ""))
    most = max(MAX_EDIT, 2 * len(draft))
    if len(text) > most:
        raise AnswerError(
            f"Your version has {len(text):,} characters, {most:,} are allowed. Shorten it and send again."
        )
    if "\x00" in text:
        raise AnswerError("Your version holds a NUL character, which cannot be stored. Remove it and send again.")
    if not text.strip():
        raise AnswerError("Your version is empty. Write what the answer should be, or reset it to the draft.")
    return text


def with_plain_ends(text: str) -> str:
    """Forms send every end of a line as CR LF, whatever the draft had."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def fields(value: Mapping[str, Any], shown: Shown) -> dict[str, str]:
    return {"text": with_plain_ends(str(value.get("text", ""))), "note": str(value.get("note", ""))}


def say(value: Mapping[str, Any]) -> str:
    if value.get("accepted"):
        return "accepted as it is"
    cost = value.get("cost", 0)
    return f"{cost:,} {'word' if cost == 1 else 'words'} changed" if cost else "only the spacing changed"


def context(shown: Shown) -> dict[str, Any]:
    return {"options": shown.options or EditOptions(), "most": max(MAX_EDIT, 2 * len(shown.texts[0]))}


KIND = Kind(
    slug="edit",
    title="Edit",
    question="How should the answer have been?",
    least=1,
    most=1,
    parse=parse,
    fields=fields,
    say=say,
    options=EditOptions,
    context=context,
    reads_texts=True,
    keys=(
        (("e",), "Edit the text; Esc leaves it"),
        (("r",), "Reset to the draft; again, or Ctrl and z in the text, brings your version back"),
        (("w",), "Say why, where that is asked"),
    ),
)
