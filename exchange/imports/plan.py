"""What records become: which prompts, answers, items and votes are new, and which are here already.

The same for a check and for an import, so that a check counts exactly what an import writes. Prompts join by key where
the file has keys, else by identical turns; answers of a prompt by model and text; items by their answers in any order.
"""

import random
import uuid
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from django.utils import timezone

from accounts.models import Project
from annotate.models import Prompt, Protocol
from exchange.imports.asking import Asked
from exchange.imports.backend import TABLES, Backend, escaped
from exchange.imports.base import Message, Record, Vote
from exchange.imports.identity import hash_of, item_hash, moment
from exchange.imports.lines import NUMBERED, check_line, joined
from exchange.imports.outcome import Counts
from exchange.imports.raters import Models, Raters
from exchange.imports.table import EMPTY, Table
from exchange.imports.turns import LineError

NULL, SETTING = "\\N", "imported"


class Plan:
    """Takes records in chunks, keeps what it has seen as numbers, and hands rows to a backend."""

    def __init__(self, project: Project, asked: Asked, backend: Backend, *, source: str, models: Models) -> None:
        self.project, self.asked, self.backend = project, asked, backend
        self.counts = Counts()
        self.models, self.raters = models, Raters(project, source, backend)
        self.prompts, self.keys = Table(), Table()
        self.prompt_ids, self.key_prompt = array("q"), array("i")
        self.responses, self.response_ids = Table(), array("q")
        self.items, self.item_ids = Table(), array("q")
        self.item_first, self.item_votes, self.item_ready = array("i"), array("H"), bytearray()
        self.voted, self.voted_lines, self.known_votes = Table(), array("I"), set[int]()
        self.most_votes = 0
        self.more_votes: dict[int, int] = {}
        self.rater_ids: set[int] = set()
        self.joined: set[int] = set()
        self.loaded: set[int] = set()
        self.at = timezone.now()
        self.now = self.at.isoformat()
        self.backend.keep("annotate_protocol", [one.pk for one in (asked.protocol, asked.open_protocol) if one])
        self.load_prompts()
        self.begun, self.met = 0, set[int]()
        """Prompts before this chunk, and those of it that had a record: of any other there is no answer to look for."""
        self.rows: dict[str, list[str]] = {name: [] for name in TABLES}
        self.tasks: dict[int, list[Any]] = {}
        """Rows of new tasks of this chunk by item: [before the counts, after them, votes so far]."""

    # --- what is here ---------------------------------------------------------------------------------------

    def load_prompts(self) -> None:
        """Every prompt of the project, as two numbers."""
        found = Prompt.objects.filter(project=self.project).values_list("pk", "key", "messages", "image_id", "origin")
        for pk, key, messages, image, origin in found.iterator(chunk_size=5_000):
            ordinal = len(self.prompt_ids)
            self.prompt_ids.append(pk)
            number = hash_of(messages) if image is None and origin == Prompt.Origin.GIVEN else hash(("apart", pk))
            if self.prompts.find(number) != EMPTY:  # the same text under two keys: the older one is joined
                number = hash(("again", pk))
            self.prompts.add(number)
            if (number := hash(key)) and self.keys.find(number) == EMPTY:
                self.keys.add(number)
                self.key_prompt.append(ordinal)
        self.here = len(self.prompt_ids)
        self.prompt_lines = array("I")
        """Of those that are new, in their order."""
        self.number, self.given = self.newest_number(), array("q")

    def newest_number(self) -> int:
        found = self.backend.query(
            "SELECT max(substring(key FROM 8)::bigint) FROM annotate_prompt "
            "WHERE project_id = %s AND key ~ '^prompt-[0-9]{1,12}$'",
            [self.project.pk],
        )
        return int(found[0][0] or 0)

    def load_answers(self, ordinals: Sequence[int]) -> None:
        """Answers and items of prompts that are joined for the first time."""
        self.loaded.update(ordinals)
        by_id = {self.prompt_ids[ordinal]: ordinal for ordinal in ordinals}
        ids = list(by_id)
        self.backend.keep("annotate_prompt", ids)
        rows = self.backend.query(
            "SELECT id, prompt_id, model_id, text FROM annotate_response WHERE prompt_id = ANY(%s) ORDER BY id", [ids]
        )
        place: dict[int, int] = {}
        for pk, prompt, model, text in rows:
            again = 0
            while self.responses.find(number := hash((by_id[prompt], model, text, again))) != EMPTY:
                again += 1
            place[pk] = self.responses.add(number)
            self.response_ids.append(pk)
        self.backend.keep("annotate_response", list(place))
        self.load_items(ids, by_id, place)

    def load_items(self, ids: Sequence[int], by_id: dict[int, int], place: dict[int, int]) -> None:
        rows = self.backend.query(
            "SELECT t.id, t.prompt_id, t.protocol_id, t.kind, t.criterion, "
            "array_agg(r.response_id ORDER BY r.position), "
            "EXISTS (SELECT 1 FROM annotate_assignment a JOIN accounts_user u ON u.id = a.annotator_id "
            "WHERE a.task_id = t.id AND u.is_external) "
            "FROM annotate_task t JOIN annotate_taskresponse r ON r.task_id = t.id "
            "WHERE t.prompt_id = ANY(%s) AND t.purpose = 'work' GROUP BY t.id ORDER BY t.id",
            [list(ids)],
        )
        tasks: dict[int, int] = {}
        for pk, prompt, protocol, kind, criterion, responses, imported in rows:
            if not all(one in place for one in responses):
                continue
            places = [place[one] for one in responses]
            number = item_hash(by_id[prompt], (protocol, kind, criterion, imported), places)
            if self.items.find(number) == EMPTY:
                tasks[pk] = self.add_item(number, pk, places[0], known=True)
        if not tasks:
            return
        self.backend.keep("annotate_task", list(tasks))
        given = self.backend.query(
            "SELECT task_id, annotator_id FROM annotate_assignment WHERE task_id = ANY(%s)", [list(tasks)]
        )
        for task, rater in given:
            self.known_votes.add(hash((tasks[task], rater)))

    # --- a chunk --------------------------------------------------------------------------------------------

    def take(self, lines: Sequence[Sequence[Record]], refuse: Callable[[int, LineError], None]) -> None:
        """Records line by line. `refuse(place in lines, error)` is told of those that cannot be taken."""
        self.begun, self.met = len(self.prompt_ids), set()
        if self.here and (fresh := [ordinal for records in lines for ordinal in joined(self, records)]):
            self.load_answers(list(dict.fromkeys(fresh)))
        for place, records in enumerate(lines):
            try:
                check_line(self, records)
            except LineError as error:
                refuse(place, error)
                continue
            for record in records:
                self.one(record)
        self.flush()

    def flush(self) -> None:
        for before, after, votes in self.tasks.values():
            self.rows["task"].append(f"{before}{votes or self.asked.wanted}\t{NULL}\t{votes}\t{votes}{after}")
        self.tasks = {}
        if self.backend.writes and any(self.rows.values()):
            self.backend.flush(self.rows)
        self.rows = {name: [] for name in TABLES}

    def finish(self) -> None:
        """Votes on items of earlier chunks, and of earlier imports, are added to their tasks."""
        if self.more_votes and self.backend.writes:
            self.backend.query(
                "UPDATE annotate_task t SET wanted = wanted + n, claimed = claimed + n, answered = answered + n "
                "FROM unnest(%s::bigint[], %s::int[]) AS more (id, n) WHERE t.id = more.id RETURNING t.id",
                [list(self.more_votes), list(self.more_votes.values())],
            )
        self.counts.raters = len(self.rater_ids)
        self.counts.models = len(self.models.names)
        self.counts.models_new = len(self.models.new_ids)

    # --- prompts --------------------------------------------------------------------------------------------

    def prompt(self, record: Record, messages: Sequence[Message], key: str) -> int:
        number = hash_of(messages)
        if key:
            named = self.keys.find(hash(key))
            if named != EMPTY:
                return self.join(self.key_prompt[named], record, by_key=True)
            if self.prompts.find(number) != EMPTY:
                number = hash((number, key))  # a key of its own tells two prompts of the same text apart
        elif (ordinal := self.prompts.find(number)) != EMPTY:
            return self.join(ordinal, record, by_key=False)
        return self.new_prompt(record, messages, number, key)

    def join(self, ordinal: int, record: Record, *, by_key: bool) -> int:
        if ordinal < self.here and ordinal not in self.joined:
            self.joined.add(ordinal)
            if by_key:
                self.counts.joined_by_key += 1
            else:
                self.counts.joined_by_text += 1
            self.counts.langs[record.lang] = self.counts.langs.get(record.lang, 0) + 1
        return ordinal

    def new_prompt(self, record: Record, messages: Sequence[Message], number: int, key: str) -> int:
        if key and (numbered := NUMBERED.fullmatch(key)):
            self.number = max(self.number, int(numbered[1]))
        ordinal = self.prompts.add(number)
        pk = self.backend.next_id("prompt")
        self.prompt_ids.append(pk)
        self.prompt_lines.append(record.line)
        if not key:
            self.number += 1
            self.given.append(self.number)
            key = f"prompt-{self.number:05}"
        elif self.keys.find(hash(key)) == EMPTY:
            self.keys.add(hash(key))
            self.key_prompt.append(ordinal)
        counts = self.counts
        counts.prompts += 1
        counts.langs[record.lang] = counts.langs.get(record.lang, 0) + 1
        if self.backend.writes:
            turns = escaped(orjson.dumps(messages).decode())
            tags = escaped(orjson.dumps(list(record.tags)).decode()) if record.tags else "[]"
            self.rows["prompt"].append(
                f"{pk}\t{self.project.pk}\t{escaped(key)}\t{turns}\t{escaped(record.lang)}\t{tags}\t{NULL}\tgiven\t"
                f"{self.now}\n"
            )
        return ordinal

    # --- answers, items, votes ------------------------------------------------------------------------------

    def waits(self, record: Record) -> bool:
        """Whether it becomes an open task."""
        return self.asked.open and not record.votes and bool(record.answers) and all(
            one.text.strip() for one in record.answers
        )  # fmt: skip

    def one(self, record: Record) -> None:
        prompt = self.prompt(record, record.messages, record.key)
        if not record.answers:
            return
        others = [prompt] * len(record.answers)
        if record.two_prompts:
            others = [
                self.prompt(record, list(one.messages), "") if one.messages is not None else prompt
                for one in record.answers
            ]
        places = self.answers(record, others)
        asked = self.asked
        self.counts.without_vote += bool(asked.steps and not record.votes)
        if record.votes:
            item = self.item(record, prompt, places, (asked.protocol, asked.kind, True))
            for vote in record.votes:
                self.vote(record, vote, item, places)
        elif self.waits(record):
            self.item(record, prompt, places, (asked.open_protocol, asked.open_kind, False))
        self.met.add(prompt)
        if record.two_prompts:
            self.met.update(others)

    def answers(self, record: Record, others: Sequence[int]) -> list[int]:
        places: list[int] = []
        for side, (one, prompt) in enumerate(zip(record.answers, others, strict=True)):
            model = self.models.id_of(one.model) if one.model else None
            number, again = hash((prompt, model, one.text, 0)), 0
            ordinal = self.responses.find(number) if prompt < self.begun or prompt in self.met or side else EMPTY
            while ordinal != EMPTY and ordinal in places:
                again += 1  # two answers of the line are the same, and are two
                number = hash((prompt, model, one.text, again))
                ordinal = self.responses.find(number)
            if ordinal == EMPTY:
                ordinal = self.new_answer(number, prompt, model, one.text, side)
            else:
                self.counts.responses_known += 1
            places.append(ordinal)
        return places

    def new_answer(self, number: int, prompt: int, model: int | None, text: str, side: int) -> int:
        ordinal = self.responses.add(number)
        pk = self.backend.next_id("response")
        self.response_ids.append(pk)
        self.counts.responses += 1
        if not text:
            self.counts.without_text += 1
        if self.backend.writes:
            self.rows["response"].append(
                f"{pk}\t{self.prompt_ids[prompt]}\t{model if model is not None else NULL}\t{NULL}\t{escaped(text)}"
                f"\t{SETTING}\t{{}}\t0\t{side}\t0\tstop\t{self.now}\n"
            )
        return ordinal

    def add_item(self, number: int, pk: int, first: int, *, known: bool = False) -> int:
        ordinal = self.items.add(number)
        self.item_ids.append(pk)
        self.item_first.append(first)
        self.item_votes.append(0)
        self.item_ready.append(known)
        return ordinal

    def item(self, record: Record, prompt: int, places: list[int], what: tuple[Protocol | None, str, bool]) -> int:
        """The item of these answers; made where there is none."""
        protocol, kind, imported = what
        protocol_id = protocol.pk if protocol else None
        number = item_hash(prompt, (protocol_id, kind, record.criterion, imported), places)
        ordinal = self.items.find(number) if prompt < self.begun or prompt in self.met else EMPTY
        if ordinal != EMPTY:
            if self.item_ready[ordinal] == 1 or not imported:
                self.counts.items_known += self.item_ready[ordinal] != 2
                self.item_ready[ordinal] = 2
            return ordinal
        pk = self.backend.next_id("task")
        ordinal = self.add_item(number, pk, places[0])
        self.item_ready[ordinal] = 2
        self.counts.items += 1
        if self.backend.writes:
            two = "t" if record.two_prompts else "f"
            self.tasks[ordinal] = [
                f"{pk}\t{self.project.pk}\t{kind}\t{NULL if protocol_id is None else protocol_id}\t"
                f"{self.prompt_ids[prompt]}\t{NULL}\twork\t{NULL}\t{escaped(record.criterion)}\t{two}\t"
                f"{escaped(record.lang)}\t\t",
                f"\t0\t{random.random()}\tf\t{self.now}\n",
                0,
            ]
            ids, ready = self.backend.ids["task_response"], self.response_ids
            self.rows["task_response"] += [
                f"{next(ids)}\t{pk}\t{ready[place]}\t{position}\n" for position, place in enumerate(places)
            ]
        return ordinal

    def vote(self, record: Record, vote: Vote, item: int, places: Sequence[int]) -> None:
        if vote.repeats and self.voted.find(hash((item, vote.rater))) != EMPTY:
            self.counts.votes_known += 1
            return
        self.item_votes[item] += 1
        self.most_votes = max(self.most_votes, self.item_votes[item])
        name = vote.rater or f"rater {self.item_votes[item]}"
        if vote.rater:
            self.voted.add(hash((item, vote.rater)))
            self.voted_lines.append(record.line)
        rater = self.raters.id_of(name)
        self.rater_ids.add(rater)
        if hash((item, rater)) in self.known_votes:
            self.counts.votes_known += 1
            return
        self.counts.votes += 1
        if not self.backend.writes:
            return
        if item in self.tasks:
            self.tasks[item][2] += 1
        else:
            pk = self.item_ids[item]
            self.more_votes[pk] = self.more_votes.get(pk, 0) + 1
        swapped = len(places) == 2 and self.item_first[item] != places[0]
        self.vote_rows(vote, item, rater, [1, 0] if swapped else list(range(len(places))))

    def vote_rows(self, vote: Vote, item: int, rater: int, order: list[int]) -> None:
        """An assignment that is done, and a Feedback a step; `order`: canonical positions in the order of the line."""
        assignment, task = self.backend.next_id("assignment"), self.item_ids[item]
        at = moment(vote.at) or self.now
        steps = [*self.asked.steps]
        self.rows["assignment"].append(
            f"{assignment}\t{task}\t{rater}\tsubmitted\t{at}\t{order}\t{len(steps)}\t{NULL}\t0\t\tf\t{self.now}\t{at}\n"
        )
        for one in vote.said:
            shown = order if one.of == "all" else order[:1]
            preference = one.preference if one.preference is None or order[0] == 0 else -one.preference
            # Of a label (chosen, rejected) nobody knows which side was shown first: statistics of sides leave it out.
            unknown = {"order_unknown": True} if vote.repeats and one.kind == "pairwise" else {}
            value = escaped(orjson.dumps({**one.value, **unknown}).decode())
            self.rows["feedback"].append(
                f"{self.backend.next_id('feedback')}\t{assignment}\t{self.project.pk}\t{task}\t{rater}\t{one.kind}\t"
                f"{steps.index((one.kind, one.of))}\timported\t{value}\t{shown}\t"
                f"{NULL if preference is None else preference}\t{NULL}\t{escaped(one.comment)}\t"
                f"{round(vote.seconds * 1000)}\t{uuid.uuid4()}\t{NULL}\t{at}\t{NULL}\n"
            )
