"""From a flat row and a mapping to a Record: what annotators will see, and what raters said."""

from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingOf
from typing import Any

from annotate.kinds import KINDS
from exchange.imports import said, turns, values
from exchange.imports.base import ROLES, Answer, Becomes, Mapping, Message, Record, Row
from exchange.imports.turns import MOST_TEXT, SURROGATE, LineError, check_text

MOST_ANSWERS = 12
KIND_ORDER = ("pairwise", "rubric", "ranking", "selection", "critique", "edit")
Get = Callable[[Row], Any]


def get_of(name: str) -> Get:
    """Reads a column; `a.b` is b inside a where no column is called that."""
    parts = name.split(".")
    if len(parts) == 1:
        return lambda row: row.get(name)

    def inside(row: Row) -> Any:
        if name in row:
            return row[name]
        found: Any = row
        for part in parts:
            if not isinstance(found, dict):
                return None
            found = found.get(part)
        return found

    return inside


class Builder:
    """A mapping, made ready once for all rows. `problem` is what is wrong with the mapping itself."""

    def __init__(self, mapping: Mapping, prompts: MappingOf[str, str] | None = None) -> None:
        self.mapping, self.prompts = mapping, prompts
        self.by_role: dict[str, list[tuple[str, Becomes, Get]]] = {}
        for name, becomes in mapping.columns.items():
            if becomes.role != "skip":
                self.by_role.setdefault(becomes.role, []).append((name, becomes, get_of(name)))
        self.one = {role: found[0][2] for role, found in self.by_role.items()}
        self.names = {role: found[0][0] for role, found in self.by_role.items()}
        self.sides = {
            role: {becomes.side or 0: (name, get) for name, becomes, get in self.by_role.get(role, ())}
            for role in ("response", "model", "conversation", "prompt_of", "rank", "fits")
        }
        self.has_texts = bool({"response", "responses", "chosen", "conversation", "messages"} & set(self.by_role))
        self.votes = mapping.raters != "none"
        self.dimensions = list(dict.fromkeys(one.name for _, one, _ in self.by_role.get("rating", ())))
        self.source = slug(mapping.source) or "file"
        self.votes = self.votes and bool(self.steps)
        self.plain = self.plain_columns()
        self.check()

    def check(self) -> None:
        """Raise ValueError with a sentence where no record can come out."""
        for role in ("prompt", "messages", "key", "rater", "lang", "chosen", "rejected", "system"):
            names = [name for name, _, _ in self.by_role.get(role, ())]
            if len(names) > 1:
                raise ValueError(f"{' and '.join(names[:3])} both become {ROLES[role].title.lower()}. Choose one.")
        asked = {"prompt", "messages", "conversation", "prompt_of", "key"} & set(self.by_role)
        if {"label", "fits"} <= set(self.by_role):
            raise ValueError("One column says good or bad, and one says what is acceptable: take one.")
        pair = {"chosen", "rejected"} & set(self.by_role)
        if not asked and len(pair) < 2:
            raise ValueError("No column becomes the prompt. Say which one holds what the person asked.")
        if len(pair) == 1:
            raise ValueError("A chosen and a rejected answer go together. Say which column is the other one.")

    @property
    def steps(self) -> list[tuple[str, str]]:
        """(kind, of) of all that raters of this file can have said, in the order of a protocol."""
        if not self.votes:
            return []
        roles, found = set(self.by_role), set()
        if roles & {"winner", "chosen"}:
            found.add(("pairwise", "all"))
        if "rating" in roles:
            rated = {one.side for _, one, _ in self.by_role["rating"]}
            found.add(("rubric", "all" if len(rated) > 1 or self.single else "first"))
        if roles & {"rank", "ranking"}:
            found.add(("ranking", "all"))
        if roles & {"label", "fits"}:
            found.add(("selection", "all"))
        if roles & {"critique", "strengths", "refinement"}:
            found.add(("critique", "all" if self.single else "first"))
        if "edited" in roles:
            found.add(("edit", "all" if self.single else "first"))
        return sorted(found, key=lambda one: KIND_ORDER.index(one[0]))

    @property
    def single(self) -> bool:
        """Whether a row has one answer."""
        many = {"responses", "chosen"} & set(self.by_role) or len(self.sides["conversation"]) > 1
        return not many and max(len(self.sides["response"]), len(self.sides["model"])) <= 1

    # --- one row --------------------------------------------------------------------------------------------

    def record(self, line: int, row: Row) -> Record:
        """Raises LineError."""
        key = self.key(row)
        messages, answers = self.content(row, key)
        record = Record(line, messages, answers, key=key, lang=self.lang(row))
        if "tags" in self.by_role or self.mapping.tags:
            record.tags = self.tags(row)
        if "criterion" in self.one:
            record.criterion = self.text("criterion", row)[:1_000]
        if self.votes:
            record.votes = said.votes_of(self, row, answers)
        if not record.votes:
            self.check_open(answers)
        return record

    def check_open(self, answers: Sequence[Answer]) -> None:
        """What was judged elsewhere is taken as it was; what is still to be judged has to be there and to differ."""
        if not self.has_texts:
            return
        for side, one in enumerate(answers):
            if not one.text.strip():
                column = self.answer_column(side)
                raise LineError(f"{column} is empty. An empty answer cannot be compared.", column)

    def text(self, role: str, row: Row) -> str:
        value = self.one[role](row) if role in self.one else None
        return value if isinstance(value, str) else self.of(role, turns.as_text, value)

    def of(self, role: str, read: Callable[[Any], Any], value: Any, name: str = "") -> Any:
        """`read(value)`, with the column's name in what is wrong."""
        column = name or self.names.get(role, role)
        try:
            return read(value)
        except LineError as error:
            raise LineError(f"{column} {error}.", column) from error

    def key(self, row: Row) -> str:
        if "key" not in self.one:
            return ""
        key = values.plain(self.one["key"](row)) if not isinstance(self.one["key"](row), str) else self.text("key", row)
        key = key.strip()
        if key.isascii() and key.isdigit():  # a bare number names a prompt within its source only
            key = f"{self.source}-{key}"
        if len(key) > 80:
            raise LineError(
                f"{self.names['key']} has {len(key):,} characters, a key has 80 at most.", self.names["key"]
            )
        return key

    def lang(self, row: Row) -> str:
        if "lang" not in self.one:
            return self.mapping.lang
        lang = self.text("lang", row).strip().replace("_", "-") or self.mapping.lang
        if len(lang) > 20:
            raise LineError(f"{self.names['lang']} is {lang[:40]!r}, not a language such as en.", self.names["lang"])
        return lang

    def tags(self, row: Row) -> list[str]:
        found = list(self.mapping.tags)
        for _, _, get in self.by_role.get("tags", ()):
            value = get(row)
            words = value if isinstance(value, list) else [value]
            found += [turns.as_text(word)[:80] for word in words if word not in (None, "")]
        return list(dict.fromkeys(found))

    def plain_columns(self) -> tuple[Get, list[Get], list[Get]] | None:
        """Readers of prompt, answers and models, where no other column has a part in them: most large files."""
        others = {
            "input",
            "system",
            "history",
            "messages",
            "chosen",
            "responses",
            "models",
            "conversation",
            "prompt_of",
        }
        sides, models = self.sides["response"], self.sides["model"]
        in_row = list(sides) == list(range(len(sides))) and list(models) in ([], list(sides))
        if others & set(self.by_role) or "prompt" not in self.one or not sides or not in_row:
            return None
        return self.one["prompt"], [get for _, get in sides.values()], [get for _, get in models.values()]

    def plain_content(self, row: Row) -> tuple[list[Message], list[Answer]] | None:
        """What `content` returns, where all of it is text; None leaves it to `content`."""
        assert self.plain is not None
        ask, texts, models = self.plain
        prompt, given = ask(row), [get(row) for get in texts]
        names = [get(row) for get in models] or [""] * len(given)
        whole = (prompt, *given, *names)
        for one in whole:
            if type(one) is not str or "\x00" in one or len(one) > MOST_TEXT:
                return None
        if (
            not prompt.strip()
            or turns.is_transcript(prompt)
            or (not all(map(str.isascii, whole)) and any(map(SURROGATE.search, whole)))
        ):
            return None
        return [{"role": "user", "content": prompt}], [
            Answer(*one) for one in zip(given, map(str.strip, names), strict=True)
        ]

    # --- prompt and answers ---------------------------------------------------------------------------------

    def content(self, row: Row, key: str) -> tuple[list[Message], list[Answer]]:
        if self.plain and (found := self.plain_content(row)):
            return found
        if "chosen" in self.one:
            messages, texts = self.chosen(row)
        elif self.sides["conversation"]:
            given = [
                self.of("", turns.as_messages, get(row), name) for name, get in in_order(self.sides["conversation"])
            ]
            if not all(given):
                raise LineError("A conversation is empty.", next(iter(self.names.values())))
            messages, texts = turns.split(given) if len(given) > 1 else (given[0][:-1], [given[0][-1]["content"]])
        else:
            messages, texts = self.prompt(row, key), self.responses(row)
            if messages[-1]["role"] == "assistant" and "messages" in self.one:
                last = messages[-1]["content"]
                messages = messages[:-1]
                texts = texts or ([last] if "responses" not in self.one else [])
        answers = self.answers(row, texts)
        if not messages or messages[-1]["role"] != "user" or not messages[-1]["content"].strip():
            column = next((self.names[role] for role in ("prompt", "messages") if role in self.names), "")
            raise LineError(f"{column or 'The prompt'} is empty, so there is nothing to answer.", column)
        for one in messages:
            check_text(one["content"], "The prompt")
        return messages, answers

    def chosen(self, row: Row) -> tuple[list[Message], list[str]]:
        both = [self.one["chosen"](row), self.one["rejected"](row)]
        if all(map(turns.is_conversation, both)) and self.sides["prompt_of"] == {}:
            given = [
                self.of(role, turns.as_messages, value)
                for role, value in zip(("chosen", "rejected"), both, strict=True)
            ]
            messages, texts = turns.split(given)
            if messages:
                return messages, texts
            both = [turns.rest(one) for one in given]
        texts = [self.of(role, turns.as_text, value) for role, value in zip(("chosen", "rejected"), both, strict=True)]
        return self.prompt(row, self.key(row)), texts

    def prompt(self, row: Row, key: str) -> list[Message]:
        if "messages" in self.one:
            found: list[Message] = list(self.of("messages", turns.as_messages, self.one["messages"](row)))
        elif "prompt" in self.one:
            value = self.one["prompt"](row)
            if isinstance(value, str) and "input" not in self.one and not value.startswith(("\n\nHuman:", "Human:")):
                found = [{"role": "user", "content": value}]
            else:
                found = self.plain_prompt(row, value)
        elif self.sides["prompt_of"]:
            name, get = self.sides["prompt_of"][min(self.sides["prompt_of"])]
            found = list(self.of("", turns.as_messages, get(row), name))
        else:
            found = [{"role": "user", "content": self.missing(row, key)}]
        if "history" in self.one:
            found = [*self.of("history", turns.pairs, self.one["history"](row)), *found]
        if "system" in self.one and (system := self.text("system", row).strip()):
            found = [{"role": "system", "content": system}, *found]
        return found

    def plain_prompt(self, row: Row, value: Any) -> list[Message]:
        found: list[Message] = list(self.of("prompt", turns.as_messages, value if value is not None else ""))
        more = self.text("input", row) if "input" in self.one else ""
        if more.strip() and found:
            found[-1] = {**found[-1], "content": f"{found[-1]['content']}\n\n{more}".strip()}
        return found

    def missing(self, row: Row, key: str) -> str:
        """The text of a prompt that the file names by its number only."""
        if self.prompts is not None:
            there = values.plain(self.one["key"](row))
            if there not in self.prompts:
                raise LineError(f"The file of prompts has no prompt {there[:40]!r}.", self.names["key"])
            return self.prompts[there]
        if not key:
            raise LineError(f"{self.names['key']} is empty, and no column holds the prompt.", self.names["key"])
        return f"[{key}: the text of this prompt is not in the imported file]"

    def responses(self, row: Row) -> list[str]:
        if "responses" in self.one:
            given = self.one["responses"](row)
            if given is not None and not isinstance(given, list):
                raise LineError(f"{self.names['responses']} is not a list of answers.", self.names["responses"])
            return [self.of("responses", turns.as_text, one) for one in given or []]
        found = []
        for name, get in in_order(self.sides["response"]):
            value = get(row)
            found.append(value if isinstance(value, str) else self.of("", turns.as_text, value, name))
        return found

    def answers(self, row: Row, texts: Sequence[str]) -> list[Answer]:
        models = self.models(row)
        if not texts:
            texts = [""] * len(models)
        if len(texts) > MOST_ANSWERS:
            raise LineError(f"There are {len(texts)} answers, {MOST_ANSWERS} are allowed.")
        found = []
        for side, text in enumerate(texts):
            check_text(text, "An answer")
            found.append(Answer(text, models[side] if side < len(models) else ""))
        for side, (name, get) in self.sides["prompt_of"].items():
            if side < len(found):
                found[side].messages = self.of("", turns.as_messages, get(row), name)
        if any(one.messages != found[0].messages for one in found[1:]):
            return found
        for one in found:  # all answer the same prompt
            one.messages = None
        return found

    def answer_column(self, side: int) -> str:
        if "chosen" in self.names:
            return self.names[("chosen", "rejected")[min(side, 1)]]
        for role in ("response", "conversation"):
            if side in self.sides[role]:
                return self.sides[role][side][0]
        return self.names.get("responses", f"Answer {side + 1}")

    def models(self, row: Row) -> list[str]:
        if "models" in self.one:
            given = self.one["models"](row)
            return [turns.as_text(one).strip() for one in given] if isinstance(given, list) else []
        if "responses" in self.one:
            given = self.one["responses"](row)
            if isinstance(given, list) and given and isinstance(given[0], dict) and "model" in given[0]:
                return [turns.as_text(one.get("model")).strip() for one in given if isinstance(one, dict)]
        sides = self.sides["model"]
        if not sides:
            return []
        found = []
        for side in range(max(sides) + 1):
            name, get = sides.get(side, ("", lambda row: ""))
            value = get(row)
            found.append((value if isinstance(value, str) else self.of("", turns.as_text, value, name)).strip())
        return found


def in_order(sides: MappingOf[int, tuple[str, Get]]) -> list[tuple[str, Get]]:
    return [sides[side] for side in sorted(sides)]


def slug(text: str, most: int = 40) -> str:
    from django.utils.text import slugify

    return slugify(text)[:most].strip("-_")


assert set(KIND_ORDER) <= set(KINDS)
