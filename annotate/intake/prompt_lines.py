"""A line of prompts, read and checked: plain text, or a JSON object with more to say."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.models import Project
from annotate.models import Prompt, Task

MAX_RESPONSES = 12
ROLES = ("system", "user", "assistant")
MAX_RATERS = 50
MAX_PRIORITY = 100
MAX_SKILL = 40
MAX_CRITERION = 1_000


class LineError(ValueError):
    """One line that cannot be taken in; the message says why."""


@dataclass(frozen=True)
class Line:
    """A checked line."""

    number: int
    prompt: Prompt
    responses: Sequence[str] = ()
    models: Sequence[str] = ()
    """Who wrote each response; as many as responses, or none."""
    image: str = ""
    """sha256 or file name."""
    image_description: str = ""
    purpose: str = Task.Purpose.WORK
    gold: Mapping[str, Any] | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)
    """What the line says of its task, before the form: wanted, ceiling, criterion, skill, priority."""


@dataclass
class Parsed:
    lines: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


# --- Lines --------------------------------------------------------------------------------------------------


def parse_lines(text: str, project: Project) -> Parsed:
    """A prompt a line: plain text, or a JSON object.

    {prompt | messages, key, lang, tags, image, image_description, responses, models, purpose, gold, wanted, ceiling,
    criterion, skill, priority}. A line without a key has none yet (prompts.give_keys).
    """
    found, keys = Parsed(), set[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            one = parse_line(line, project, number)
            if one.prompt.key and one.prompt.key in keys:
                raise LineError(f"the key {one.prompt.key} was used on an earlier line")
        except LineError as error:
            found.problems.append(f"Line {number}: {error}.")
        else:
            keys.add(one.prompt.key)
            found.lines.append(one)
    return found


def parse_line(line: str, project: Project, number: int) -> Line:
    if "\x00" in line:
        raise LineError("it holds a NUL character, which cannot be stored")
    row: Any = {"prompt": line.strip()}
    if line.lstrip().startswith("{"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LineError(f"it is not valid JSON: {str(error)[:120]}") from error
    check_storable(row)
    responses, models = parse_responses(row)
    purpose, gold = parse_gold(row)
    return Line(
        number=number, prompt=parse_prompt(row, project), responses=responses, models=models,
        image=text_of(row, "image", 255), image_description=text_of(row, "image_description", 4_000),
        purpose=purpose, gold=gold, asked={name: read(row, name) for name, read in ASKED.items() if name in row},
    )  # fmt: skip


def check_storable(row: Any) -> None:
    """PostgreSQL stores no NUL, and no half of a surrogate pair, which JSON can hide as escapes."""
    try:
        words = json.dumps(row, ensure_ascii=False)
        words.encode()
    except (ValueError, RecursionError) as error:
        raise LineError("it holds half of a character (a lone surrogate), which cannot be stored") from error
    if "\\u0000" in words.replace("\\\\", ""):
        raise LineError("it holds a NUL character, which cannot be stored")


def parse_prompt(row: Mapping[str, Any], project: Project) -> Prompt:
    messages = row.get("messages", [{"role": "user", "content": row.get("prompt", "")}])
    key = str(row.get("key") or "")
    lang, tags = row.get("lang", "en"), row.get("tags", [])
    if len(key) > 80 or not isinstance(lang, str) or len(lang) > 20:
        raise LineError("key may have 80 characters and lang 20")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise LineError("tags is not a list of words")
    check_messages(messages)
    clean = [{"role": one["role"], "content": one["content"]} for one in messages]
    return Prompt(project=project, key=key, messages=clean, lang=lang, tags=tags)


def check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise LineError("messages is not a list of turns")
    for turn in messages:
        if not isinstance(turn, dict) or turn.get("role") not in ROLES or not isinstance(turn.get("content"), str):
            raise LineError("every turn needs a role (system, user or assistant) and a content")
    if messages[-1]["role"] != "user" or not messages[-1]["content"].strip():
        raise LineError("the last turn must be the user's and say something")


def parse_responses(row: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    responses, models = row.get("responses", []), row.get("models", [])
    if not isinstance(responses, list) or not all(isinstance(one, str) and one.strip() for one in responses):
        raise LineError("responses is not a list of texts, or one of them is empty")
    if len(responses) > MAX_RESPONSES:
        raise LineError(f"it has {len(responses)} responses, {MAX_RESPONSES} are allowed")
    if not isinstance(models, list) or not all(isinstance(one, str) and len(one) <= 200 for one in models):
        raise LineError("models is not a list of names")
    if models and len(models) != len(responses):
        raise LineError(f"models names {len(models)} and there are {len(responses)} responses; name one for each")
    return responses, models


def parse_gold(row: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    gold = row.get("gold")
    purpose = row.get("purpose", Task.Purpose.WORK if gold is None else Task.Purpose.GOLD)
    if purpose not in (Task.Purpose.WORK, Task.Purpose.GOLD, Task.Purpose.TEST):
        raise LineError('purpose is "gold" or "test", or is left out')
    if (gold is None) != (purpose == Task.Purpose.WORK):
        raise LineError("gold and test tasks need gold, the known answer, and only they have one")
    if gold is None:
        return purpose, None
    if not isinstance(gold, dict) or set(gold) - {"accept", "explanation"} or "accept" not in gold:
        raise LineError('gold is {"accept": what counts as right, "explanation": why}')
    return purpose, {"accept": gold["accept"], "explanation": text_of(gold, "explanation", 2_000)}


def text_of(row: Mapping[str, Any], name: str, most: int) -> str:
    text = row.get(name, "")
    if not isinstance(text, str) or len(text) > most:
        raise LineError(f"{name} is not a text of at most {most:,} characters")
    return text.strip()


def whole_of(low: int, high: int) -> Callable[[Mapping[str, Any], str], int]:
    def read(row: Mapping[str, Any], name: str) -> int:
        value = row[name]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise LineError(f"{name} is a whole number from {low} to {high}")
        return value

    return read


ASKED: dict[str, Callable[[Mapping[str, Any], str], Any]] = {
    "wanted": whole_of(1, MAX_RATERS),
    "ceiling": whole_of(1, MAX_RATERS),
    "criterion": lambda row, name: text_of(row, name, MAX_CRITERION),
    "skill": lambda row, name: text_of(row, name, MAX_SKILL),
    "priority": whole_of(-MAX_PRIORITY, MAX_PRIORITY),
}
"""What a line may say of its task, and how it is read."""
