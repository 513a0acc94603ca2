"""What a builder of rows has to provide, and what it is given.

A builder is a file here, a line in BUILDERS, and a value of registry.specs.build_dataset.RowsOf.

What the source of items has to know beside the fields below:

- Builders with reads="decisions" are given the item's `answers` too. With `undecided` they are also given items that
  the recipe leaves no decision (both bad, ties, too little agreement), with `decisions` empty.
- Items with `two_prompts` go only to builders that say so; they have decisions as others have.
- With `derived` a builder takes rankings and ratings where the recipe names no kinds, since it reads more of them than
  the preference that follows; other builders of decisions take them only where the recipe names them.
- An empty `options.model` of a builder with reads="scores", or with `scores: reward`, is the project's newest reward
  model.
- `Candidate.embedding` and `Candidate.round` are filled where a builder says `embeddings` or `rounds`.
- A builder's `finish`, where it has one, comes last: after deduplication, length limits and the split.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict

from curate.rows import Row, RowType
from registry.specs import BuildDatasetSpec

AGGREGATES: tuple[str, ...] = get_args(BuildDatasetSpec.model_fields["aggregate"].annotation)
COUNTED = ("majority", "each")
"""Of builders that count answers, or make a row of each."""


class Options(BaseModel):
    """Settings of one builder, the recipe's `options`. Every field has a description, which the page shows."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(slots=True, frozen=True)
class Candidate:
    """A response of an item, at its canonical position."""

    response_id: int
    text: str
    model: str = ""
    """Name of the model that wrote it; empty for a person, or for nobody known."""
    finished: bool = True
    """Whether it ended by itself, and was not cut off at a limit."""
    messages: Sequence[Mapping[str, str]] | None = None
    """Its own prompt, where an item's responses answer different ones (Task.two_prompts); None otherwise."""
    score: float | None = None
    """Of the reward model that the builder's options name."""
    seed: int = 0
    embedding: Sequence[float] | None = None
    """Its ResponseEmbedding, L2-normalised; None where there is none."""
    round: int = 0
    """Which sample run wrote it: the run's id, so that a later run has a larger one; 0 for none."""


@dataclass(slots=True, frozen=True)
class Said:
    """One current answer to a step of an item."""

    feedback_id: int
    annotator_id: int
    kind: str
    step: int
    value: Mapping[str, Any]
    """As given, in the terms of what was shown: see the kind in annotate.kinds."""
    preference: int | None
    """-3 to 3, positive prefers position 0; None where both are bad or the kind says none."""
    order: Sequence[int]
    """Canonical positions in the order shown: value's place n is the response at position order[n]."""
    simulated: bool = False
    comment: str = ""

    @property
    def both_bad(self) -> bool:
        return bool(self.value.get("both_bad"))


@dataclass(slots=True, frozen=True)
class Decision:
    """What the raters of an item said together on its two responses, by the recipe's aggregation."""

    winner: int
    """Position of the chosen response; 0 where it is a tie."""
    tie: bool
    strength: float
    """Mean strength towards the winner, 0 to 3; 0 for a tie."""
    agreement: float
    """Share of the answers (or of their weight) on the winner's side."""
    raters: int
    winner_first: float
    """Share of the raters who saw the winner first."""
    simulated: int
    feedback_ids: tuple[int, ...]
    """The answers it stands on; with a verdict, still the raters' answers."""
    adjudicated: bool = False


@dataclass(slots=True)
class Item:
    """All that is known of one task: what a builder makes rows of. Items come ordered by (prompt key, task)."""

    task_id: int
    prompt_key: str
    lang: str
    messages: Sequence[Mapping[str, str]]
    """The prompt: [{role: system|user|assistant, content}], ends with a user turn."""
    candidates: Sequence[Candidate]
    answers: Sequence[Said]
    """Those that the recipe's source takes, by step and time."""
    criterion: str = ""
    two_prompts: bool = False
    tags: Sequence[str] = ()
    decisions: Sequence[Decision] = ()
    """For builders that read decisions: one, or with `aggregate: each` one a rater; none where the recipe drops it."""
    steps: Sequence[Mapping[str, Any]] = ()
    """The protocol's steps as stored ({kind, of, question, options}); empty for the plain comparison."""


@dataclass(slots=True)
class Tools:
    """What builders may use beside the item. Made once a build."""

    recipe: BuildDatasetSpec
    options: Any
    """An instance of the builder's `Options`."""
    drop: Callable[[str], None]
    """Call with a key of the builder's `reasons` for each item (or answer) that gives no row."""
    tokens: Callable[[str], Sequence[int]]
    """Token ids of a text by the recipe's tokenizer, without special tokens."""
    tokenizer_name: str = ""
    eos: int | None = None
    """Id of the token that ends a text, by the same tokenizer; None where it has none."""
    rubrics: Mapping[tuple[str, int], Mapping[str, Any]] = field(default_factory=dict)
    """(name, version) -> {title, dimensions: [{key, name, question, levels}]}, of the project."""


@dataclass(frozen=True)
class Builder:
    slug: str
    title: str
    """Two or three words, for the list."""
    summary: str
    """A sentence: what a row is, and of what."""
    kinds: tuple[str, ...]
    """Kinds of feedback that it reads; () for builders that read scored responses instead of feedback."""
    row: RowType
    rows: Callable[[Item, Tools], Iterator[Row]]
    """The rows of one item. With reads="scores": an item is a prompt with all its scored responses."""
    reads: str = "answers"
    """"decisions": pairwise-like signals, aggregated by the recipe before the builder sees the item.
    "answers": the answers themselves. "scores": every response of a prompt that the model of `options.model` scored."""
    options: type[Options] = Options
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why an item gives no row -> what those that stay have in common ("with a critique that says something")."""
    paper: str = ""
    """Author-year or title with arXiv id."""
    undecided: bool = False
    """With reads="decisions": whether it is given items without a decision too."""
    two_prompts: bool = False
    """Whether it is given items whose responses answer different prompts."""
    derived: bool = False
    """With reads="decisions": whether it takes rankings and ratings without being asked to."""
    criteria: bool = False
    """With reads="decisions": whether it is given items with a criterion of their own, which do not say which response
    is better in general."""
    aggregates: tuple[str, ...] = AGGREGATES
    """How it can make one of several raters; a recipe that asks for another way is refused."""
    counts_alike: Callable[[Any, Sequence[str]], str] | None = None
    """(options, kinds that are read) -> which answers it counts alike, whatever the recipe weighs raters by, and how to
    leave them out; empty where there are none. A recipe that weighs raters is refused with these words."""
    embeddings: bool = False
    """Whether it reads Candidate.embedding."""
    rounds: bool = False
    """Whether it reads Candidate.round."""
    finish: Callable[[Iterable[Row], Tools], Iterator[Row]] | None = None
    """(all rows, tools) -> the rows that are written, in the same order. For what only the whole says, as a weight that
    is a ratio of two counts. It goes through `rows` twice, so these must not be an iterator but begin anew, and what
    the first pass drops must not be counted again by the second. It adds no row."""
