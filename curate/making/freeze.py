"""Write the rows of a recipe: a Parquet file a split, a hash over what they say, a card. Memory does not grow."""

import gc
import hashlib
import pickle
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.making.card import DRAWN, FLIPS, Diversity, Lengths, Smallest, Tally, lengths_of, notices
from curate.making.items import items
from curate.making.parts import Parts
from curate.making.plan import Asked, Plan
from curate.making.scratch import Sorted
from curate.making.split import SPLITS
from curate.making.stream import Counts, Made, Stream, finish_funnel, texts_of
from curate.making.tokens import NoTokenizer, Tokens, tokens_of
from curate.rows import MESSAGES, Row, RowType

GROUP = 2_000
"""Rows of one row group of Parquet."""
PACKED = 250
"""Rows that are made into a table at once; GROUP is a multiple of it."""
LINEAGE = np.dtype([("feedback", "i8"), ("held_out", "?")])
Heard = Callable[[int, int], None]
"""Called with (items done, rows) after each window; may raise to stop."""


@dataclass
class Frozen:
    """What was written."""

    rows: dict[str, int]
    content_hash: str
    card: dict[str, Any]
    counts: Counts
    answers: Sorted
    """LINEAGE of the answers behind the rows, on disk; more than once where several rows stand on one answer."""

    def lineage(self) -> Iterator[NDArray[Any]]:
        """LINEAGE of some answers after others, by id, each answer once: with the first of its rows."""
        for some in self.answers:
            yield some[np.unique(some["feedback"], return_index=True)[1]]


def freeze(plan: Plan | Parts, folder: Path, *, heard: Heard) -> Frozen:
    """All rows of the plan into `folder`. The caller's transaction is the snapshot that is read."""
    stream, writing = Stream(plan), Writing(plan, folder)
    with ExitStack() as stack:
        stack.enter_context(rare_collection())
        windows = stream.rows(stack.enter_context(closing(items(plan.parts()))))
        files = stack.enter_context(Files(folder, plan.builder.row, plan.builder.slug))
        made: Iterator[list[Made]] = windows
        if plan.builder.finish:
            spool = stack.enter_context(Spool(folder / "rows.tmp"))
            for window in windows:
                spool.write(window)
                heard(stream.counts.items, stream.counts.built)
            made = spool.finished(plan.builder.finish, stream.tools)
        for window in made:
            for one in window:
                writing.add(one, files.rows[one.row.split])
                files.add(one.row)
            writing.flush()
            heard(stream.counts.items, writing.tally.balance.rows)
    finish_funnel(plan, plan.funnel, stream.counts, written=writing.tally.balance.rows if plan.builder.finish else None)
    return writing.done(files, stream.counts)


@contextmanager
def rare_collection() -> Iterator[None]:
    """Rows hold no cycles; looking for some after each 700 small objects is a third of the time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Writing:
    """What the card, the hash and the lineage need of each row as it passes."""

    def __init__(self, plan: Asked, folder: Path) -> None:
        self.plan, self.tally, self.diversity = plan, Tally(), Diversity(folder)
        self.digests, self.answers = Sorted(folder, "S32"), Sorted(folder, LINEAGE, key="feedback")
        self.some_digests, self.feedback, self.sides = bytearray(), array("q"), array("b")
        self.drawn, self.flips, self.expected = Smallest(DRAWN), Smallest(FLIPS), 0.0
        self.raters: set[int] = set()
        self.prompt = self.cluster = -1
        self.groups: set[int] = set()
        """Groups of the cluster at hand."""
        self.prompts = self.clusters = 0
        """How many different prompts, and groups of prompts, there were."""
        self.new: list[str] = []
        self.columns = [name for name, _ in plan.builder.row.columns]
        self.thread = ThreadPoolExecutor(1)
        self.counting: Future[None] | None = None
        try:
            self.tokens: Tokens | None = tokens_of(plan.project, plan.recipe.tokenizer)
        except NoTokenizer:
            self.tokens = None

    def add(self, one: Made, number: int) -> None:
        """`number`: which row of its split it becomes."""
        row = one.row
        digest = digest_of(row, self.columns, self.plan.builder.slug)
        self.some_digests += digest
        self.tally.add(row)
        self.feedback.extend(row.feedback_ids)
        self.sides.extend([row.split == "held_out"] * len(row.feedback_ids))
        self.raters.update(one.raters)
        texts = None
        # Rows of one prompt come together, and so do those of one cluster.
        if one.prompt != self.prompt:
            self.prompt, self.prompts = one.prompt, self.prompts + 1
            if one.cluster != self.cluster:
                self.cluster, self.groups = one.cluster, set()
            self.clusters += one.group not in self.groups
            self.groups.add(one.group)
            texts = texts_of(row, self.plan.builder.row.texts)
            self.new.append(texts[0])
        key = int.from_bytes(digest[:8], "big")
        if self.drawn.offers(key):
            self.drawn.add(key, texts or texts_of(row, self.plan.builder.row.texts))
        if one.flip > 0:
            self.expected += one.flip
            rank = int((1 - one.flip) * 1e6) << 32 | key >> 32
            if self.flips.offers(rank):
                self.flips.add(rank, {"split": row.split, "row": number, "prompt_key": row.prompt_key,
                                      "probability": one.flip, "raters": row.raters,
                                      "agreement": row.agreement})  # fmt: skip

    def flush(self) -> None:
        """After a window. The library finds the tokens of new prompts while the next rows are made."""
        self.digests.add(np.frombuffer(bytes(self.some_digests), dtype="S32"))
        answers = np.empty(len(self.feedback), dtype=LINEAGE)
        answers["feedback"], answers["held_out"] = self.feedback, self.sides
        self.answers.add(answers)
        self.some_digests, self.feedback, self.sides = bytearray(), array("q"), array("b")
        if self.tokens and self.new:
            if self.counting:
                self.counting.result()
            self.counting = self.thread.submit(self.count, self.tokens, self.new)
        self.new = []

    def count(self, tokens: Tokens, prompts: Sequence[str]) -> None:
        self.diversity.add(tokens.many(prompts))

    def done(self, files: "Files", counts: Counts) -> Frozen:
        if self.counting:
            self.counting.result()
        self.thread.shutdown()
        plan, balance = self.plan, self.tally.done()
        lengths = (
            lengths_of(self.drawn.things(), plan.builder.row, self.tokens, of=balance.rows)
            if self.tokens
            else Lengths()
        )
        content = hashlib.sha256()
        for digests in self.digests:
            content.update(digests.tobytes())
        frozen = Frozen({split: files.rows[split] for split in SPLITS}, content.hexdigest(), {}, counts, self.answers)
        rows, decided = frozen.rows, plan.builder.reads == "decisions"
        card = {
            **balance.as_dict(), "builder": plan.builder.slug, "row_type": plan.builder.row.slug,
            "funnel": plan.funnel.as_list(), "items": counts.items, "raters": len(self.raters),
            "feedback": sum(some.size for some in frozen.lineage()),
            "prompts": self.prompts, "clusters": self.clusters,
            "duplicates": {"exact": counts.exact, "near": counts.near},
            "too_long": {"prompt": counts.long_prompt, "row": counts.long_row},
            "diversity": {"value": self.diversity.value() if self.tokens else None, "prompts": self.diversity.prompts,
                          "tokenizer": self.tokens.name if self.tokens else ""},
            "lengths": lengths.as_dict(),
            "likely_flips": {"expected": round(self.expected, 1), "rows": self.flips.things()} if decided else None,
        }  # fmt: skip
        card["warnings"] = [
            one.as_dict() for one in notices(
                balance, splits=rows, lengths=lengths, flips=self.expected if decided else None,
                duplicates=counts.exact + counts.near, clusters=card["clusters"], prompts=card["prompts"],
            )
        ]  # fmt: skip
        frozen.card = card
        return frozen


def digest_of(row: Row, columns: Sequence[str], source: str) -> bytes:
    """SHA-256 of what a row says: no id of this database, and no key, which may hold one, is in it."""
    said = [row.columns[name] for name in columns]
    said += [row.lang, source, row.models, row.seed, row.raters, row.agreement, row.simulated, row.split]
    return hashlib.sha256(orjson.dumps(said)).digest()


class Files:
    """A Parquet file a split, written a group of rows at a time by a thread while the next group is made."""

    def __init__(self, folder: Path, row_type: RowType, source: str) -> None:
        self.schema, self.source = row_type.schema, source
        self.writers = {
            split: pq.ParquetWriter(folder / f"{split}.parquet", self.schema, compression="zstd") for split in SPLITS
        }
        self.waiting: dict[str, list[Row]] = {split: [] for split in SPLITS}
        self.packed: dict[str, list[pa.Table]] = {split: [] for split in SPLITS}
        self.rows = dict.fromkeys(SPLITS, 0)
        self.thread = ThreadPoolExecutor(1)
        self.pending: Future[None] | None = None

    def __enter__(self) -> "Files":
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            if exception[0] is None:
                for split in SPLITS:
                    self.flush(split)
            if self.pending:
                self.pending.result()
        finally:
            self.thread.shutdown()
            for writer in self.writers.values():
                writer.close()

    def add(self, row: Row) -> None:
        self.rows[row.split] += 1
        self.waiting[row.split].append(row)
        if len(self.waiting[row.split]) == PACKED:
            self.pack(row.split)
            if len(self.packed[row.split]) * PACKED == GROUP:
                self.flush(row.split)

    def pack(self, split: str) -> None:
        """Rows of Python take three times the memory of a table."""
        rows, self.waiting[split] = self.waiting[split], []
        if rows:
            self.packed[split].append(table_of(rows, self.schema, self.source))

    def flush(self, split: str) -> None:
        self.pack(split)
        tables, self.packed[split] = self.packed[split], []
        if not tables:
            return
        if self.pending:
            self.pending.result()
        self.pending = self.thread.submit(self.writers[split].write_table, pa.concat_tables(tables))


def table_of(rows: Sequence[Row], schema: pa.Schema, source: str) -> pa.Table:
    own: dict[str, Callable[[Row], Any]] = {
        "prompt_key": lambda row: row.prompt_key, "lang": lambda row: row.lang, "source": lambda row: source,
        "models": lambda row: list(row.models), "seed": lambda row: row.seed, "raters": lambda row: row.raters,
        "agreement": lambda row: row.agreement, "simulated": lambda row: row.simulated,
        "feedback_ids": lambda row: list(row.feedback_ids),
    }  # fmt: skip
    columns = []
    for column in schema:
        get = own.get(column.name)
        values = [get(row) for row in rows] if get else [row.columns[column.name] for row in rows]
        columns.append(messages(values) if column.type == MESSAGES else pa.array(values, type=column.type))
    return pa.Table.from_arrays(columns, schema=schema)


def messages(conversations: Sequence[Sequence[dict[str, str]]]) -> pa.ListArray:
    """pa.array of it, in a third of the time."""
    ends = np.cumsum([0, *map(len, conversations)], dtype=np.int32)
    roles = pa.array([one["role"] for each in conversations for one in each], type=pa.string())
    contents = pa.array([one["content"] for each in conversations for one in each], type=pa.string())
    turns = pa.StructArray.from_arrays([roles, contents], fields=list(MESSAGES.value_type))
    return pa.ListArray.from_arrays(pa.array(ends, type=pa.int32()), turns, type=MESSAGES)


class Spool:
    """Rows on disk, for builders that go through all of them twice before they are written."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, path.open("wb")
        self.last: Made

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *exception: object) -> None:
        self.file.close()
        self.path.unlink(missing_ok=True)

    def write(self, made: list[Made]) -> None:
        pickle.dump(made, self.file)

    def __iter__(self) -> Iterator[Row]:
        with self.path.open("rb") as file:
            while True:
                try:
                    window: list[Made] = pickle.load(file)
                except EOFError:
                    return
                for self.last in window:
                    yield self.last.row

    def finished(self, finish: Callable[..., Iterator[Row]], tools: Any) -> Iterator[list[Made]]:
        """A row leaves `finish` before the next one is read, so that what else is known of it is still at hand."""
        self.file.flush()
        window: list[Made] = []
        for row in finish(self, tools):
            window.append(replace(self.last, row=row))
            if len(window) == GROUP:
                yield window
                window = []
        yield window
