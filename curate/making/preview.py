"""What freezing a recipe would give, while the recipe is still being changed: counts, drawn rows, balances, warnings.

What the page Dataset builder shows. Counts of pairs come from the same arrays as a freeze's, without a text. Rows of
other kinds are built: all of them up to EXACT items, and beyond that of items drawn at random, scaled up ("about").
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accounts.models import Project
from curate.making.card import Balance, Lengths, Notice, Tally, lengths_of, notices
from curate.making.facts import Prompts
from curate.making.funnel import Funnel
from curate.making.items import items, model_names
from curate.making.kept import Kept
from curate.making.plan import Facts, Plan, plan
from curate.making.split import SPLITS
from curate.making.stream import Counts, Made, Stream, finish_funnel, texts_of
from curate.making.tokens import NoTokenizer, tokens_of
from curate.rows import Row, RowType
from registry.specs import BuildDatasetSpec

EXACT = 3_000
MEASURED = 120
"""Rows whose tokens are counted for the histogram."""


@dataclass(frozen=True)
class Preview:
    funnel: Funnel
    """`funnel.about` says that counts of items and rows are scaled up from a part that was drawn."""
    splits: dict[str, int]
    """{"train": rows, "held_out": rows}"""
    prompts: int
    """Different prompts among the rows."""
    clusters: int
    """Groups of them that are kept on one side of the split."""
    rows: list[Row]
    """Drawn at random by the seed; `row.columns` are those of `row_type`, `row.split` is set."""
    row_type: RowType
    lengths: Lengths
    balance: Balance
    notices: list[Notice]
    """Warnings first; then what was looked at and is fine ("No prompt is in both splits")."""
    example: dict[str, Any] = field(default_factory=dict)
    """One row as it would be written, without lineage; for the page's JSON."""

    @property
    def total(self) -> int:
        return sum(self.splits.values())


def preview(project: Project, recipe: BuildDatasetSpec, *, rows: int = 10, seed: int = 0, keep: bool = True) -> Preview:
    """Up to `rows` rows, others for another seed. Writes nothing. Raises RecipeError, NoTokenizer.

    `keep`: numbers of the project are kept in this process for the next look, see `kept`.
    """
    made = plan(project, recipe, known=Kept(project) if keep else Facts(project))
    if made.builder.slug == "pairs" and counts_suffice(made):
        return of_numbers(made, rows=rows, seed=seed)
    return of_rows(made, rows=rows, seed=seed)


def counts_suffice(made: Plan) -> bool:
    """Whether no text has to be read to know which rows there are."""
    recipe = made.recipe
    if recipe.deduplicate == "near":
        return False
    limits = [one for one in (recipe.max_prompt_tokens, recipe.max_tokens) if one]
    return not limits


# --- Pairs, by arithmetic on all of them --------------------------------------------------------------------------


def of_numbers(made: Plan, *, rows: int, seed: int) -> Preview:
    decided, responses = made.decided, made.responses
    assert decided is not None and responses is not None and made.chosen is not None and made.rejected is not None
    by_task = np.argsort(made.task)
    place = by_task[np.searchsorted(made.task[by_task], decided.task)] if len(decided) else np.zeros(0, dtype=np.int64)
    prompt = made.prompt[place]
    halves = 2 if made.recipe.ties == "half" else 1
    # The two orders of a tie come one after the other, as a builder writes them.
    times = np.where(decided.tie, halves, 1)
    at = np.repeat(np.arange(len(decided)), times)
    turned = np.concatenate([[False], at[1:] == at[:-1]]) if at.size else np.zeros(0, dtype=bool)
    chosen, rejected = (
        np.where(turned, b, a) for a, b in ((made.chosen[at], made.rejected[at]), (made.rejected[at], made.chosen[at]))
    )
    counts = Counts(items=len(made), built=int(at.size))
    new = np.ones(at.size, dtype=bool)
    if made.recipe.deduplicate == "exact" and at.size:
        new = first_of(exact_places(made)[prompt[at]], responses.digest[chosen], responses.digest[rejected],
                       task=decided.task[at], order=place[at])  # fmt: skip
        counts.exact = int((~new).sum())
    finish_funnel(made, made.funnel, counts)
    at, chosen, rejected, turned = at[new], chosen[new], rejected[new], turned[new]
    held = made.held_out[prompt[at]]
    splits = {"train": int((~held).sum()), "held_out": int(held.sum())}
    balance = balance_of(made, at, prompt[at], chosen=chosen, rejected=rejected, turned=turned)
    drawn = draw(np.unique(place[at]), max(rows, MEASURED), seed)
    shown = built(made, drawn)
    flips = float(decided.flip[at].sum())
    return assembled(made, splits=splits, prompts=prompt[at], balance=balance, shown=shown, rows=rows, flips=flips,
                     duplicates=counts.exact, seed=seed)  # fmt: skip


def exact_places(made: Plan) -> NDArray[np.int64]:
    """A number for what each prompt says, equal for equal ones. (prompts,)"""
    known: dict[bytes, int] = {}
    assert isinstance(made.prompts, Prompts)
    return np.array([known.setdefault(one, len(known)) for one in made.prompts.exact], dtype=np.int64)


def first_of(*columns: NDArray[np.int64], task: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows no other item has before them: rows of one item are not held against each other. (rows,)"""
    key = np.zeros(task.size, dtype=np.int64)
    for column in columns:
        _, number = np.unique(column, return_inverse=True)
        _, key = np.unique(key * (int(number.max()) + 1) + number, return_inverse=True)
    ranked = np.lexsort((order, key))
    begin = np.flatnonzero(np.diff(key[ranked], prepend=-1))
    owner = np.empty(int(key.max()) + 1, dtype=np.int64)
    owner[key[ranked][begin]] = task[ranked][begin]
    same: NDArray[np.bool_] = owner[key] == task
    return same


def balance_of(
    made: Plan, at: NDArray[np.int64], prompt: NDArray[np.int64], *, chosen: NDArray[np.int64],
    rejected: NDArray[np.int64], turned: NDArray[np.bool_],
) -> Balance:  # fmt: skip
    decided, responses = made.decided, made.responses
    assert decided is not None and responses is not None and isinstance(made.prompts, Prompts)
    langs = np.bincount(made.prompts.lang[prompt], minlength=len(made.prompts.langs))
    won = ~decided.tie[at]
    more = np.sign(responses.chars[chosen] - responses.chars[rejected])[won]
    seen = decided.winner_first[at][won]
    known = ~np.isnan(seen)
    models: dict[str, tuple[int, int]] = {}
    names = model_names()
    one, other = responses.model[chosen][won], responses.model[rejected][won]
    apart = one != other
    for pk in np.unique(np.concatenate([one[apart], other[apart]])).tolist():
        wins = int((one[apart] == pk).sum())
        models[names.get(pk, "")] = (wins + int((other[apart] == pk).sum()), wins)
    strengths = np.bincount((decided.strength[at][won] + 0.5).astype(np.int64))
    return Balance(
        rows=int(at.size), drawn=int(at.size), first=float(seen[known].mean()) if known.any() else None,
        longer=float((more + 1).mean() / 2) if more.size else None,
        languages=Counter({made.prompts.langs[i]: int(n) for i, n in enumerate(langs) if n}), models=models,
        strengths=Counter({i: int(n) for i, n in enumerate(strengths) if n}), answers=int(decided.raters[at].sum()),
        simulated=int(decided.simulated[at].sum()),
    )  # fmt: skip


def built(made: Plan, places: NDArray[np.int64]) -> list[Made]:
    """The rows of some items, without looking for duplicates among all the others."""
    stream = Stream(made)
    return [one for window, found in items([made], places) for one in stream.build(window, found)]


def draw(places: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """So many of them at random, in their order."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(places, size=min(count, places.size), replace=False))


# --- Other rows, by building them ----------------------------------------------------------------------------------


def of_rows(made: Plan, *, rows: int, seed: int) -> Preview:
    places = np.arange(len(made))
    scale = 1.0
    if len(made) > EXACT:
        # Whole clusters, since duplicates are looked for inside them; the same ones whatever rows are shown.
        cluster = made.cluster[made.prompt]
        found, size = np.unique(cluster, return_counts=True)
        order = np.random.default_rng(0).permutation(found.size)
        some = found[order[: max(int(np.searchsorted(np.cumsum(size[order]), EXACT)), 1)]]
        places = np.flatnonzero(np.isin(cluster, some))
        scale = len(made) / places.size
    stream = Stream(made)
    everything = [one for window in stream.rows(items([made], places)) for one in window]
    written = None
    if made.builder.finish:
        by_row = {id(one.row): one for one in everything}
        kept = list(made.builder.finish([one.row for one in everything], stream.tools))
        everything = [by_row[id(row)] for row in kept if id(row) in by_row]
        written = len(everything)
    made.funnel.about = scale != 1.0
    finish_funnel(
        made, made.funnel, scaled(stream.counts, scale), written=None if written is None else round(written * scale)
    )
    tally = Tally()
    for one in everything:
        tally.add(one.row)
    splits = Counter(one.row.split for one in everything)
    balance = scaled_balance(tally.done(), scale)
    prompts = made.prompts.at(np.array([one.prompt for one in everything], dtype=np.int64))
    flips = sum(one.flip for one in everything) * scale if made.decided is not None else None
    shown = [everything[i] for i in draw(np.arange(len(everything)), max(rows, MEASURED), seed).tolist()]
    return assembled(
        made, splits={one: round(splits[one] * scale) for one in SPLITS}, prompts=prompts, balance=balance,
        shown=shown, rows=rows, flips=flips, duplicates=round((stream.counts.exact + stream.counts.near) * scale),
        seed=seed, scale=scale,
    )  # fmt: skip


def scaled(counts: Counts, by: float) -> Counts:
    if by == 1.0:
        return counts
    numbers = ("items", "silent", "built", "long_prompt", "long_row", "exact", "near")
    dropped = Counter({key: round(n * by) for key, n in counts.dropped.items()})
    return replace(counts, dropped=dropped, **{name: round(getattr(counts, name) * by) for name in numbers})


def scaled_balance(balance: Balance, by: float) -> Balance:
    """Counts as of all rows; `drawn` still says of how many they are."""
    if by == 1.0:
        return balance
    return replace(
        balance, rows=round(balance.rows * by), answers=round(balance.answers * by),
        simulated=round(balance.simulated * by),
        languages=Counter({name: round(n * by) for name, n in balance.languages.items()}),
        strengths=Counter({size: round(n * by) for size, n in balance.strengths.items()}),
        models={name: (round(of * by), round(won * by)) for name, (of, won) in balance.models.items()},
    )  # fmt: skip


def assembled(
    made: Plan, *, splits: dict[str, int], prompts: NDArray[np.int64], balance: Balance, shown: list[Made], rows: int,
    flips: float | None, duplicates: int, seed: int, scale: float = 1.0,
) -> Preview:  # fmt: skip
    """`shown` are drawn rows: the lengths are of all of them, the first `rows` of a shuffle are looked at."""
    row_type = made.builder.row
    try:
        tokens = tokens_of(made.project, made.recipe.tokenizer)
        texts = [texts_of(one.row, row_type.texts) for one in shown[:MEASURED]]
        lengths = lengths_of(texts, row_type, tokens, of=sum(splits.values()))
    except NoTokenizer:
        if made.recipe.tokenizer:
            raise
        lengths = Lengths()
    found = np.unique(prompts)
    clusters = int(np.unique(made.group[found]).size)
    some = np.random.default_rng(seed).permutation(len(shown))[:rows]
    drawn = [shown[i].row for i in sorted(some.tolist())]
    told = notices(balance, splits=splits, lengths=lengths, flips=flips, duplicates=duplicates,
                   clusters=round(clusters * scale), prompts=round(found.size * scale))  # fmt: skip
    example = {}
    if drawn:
        row = drawn[0]
        example = {**row.columns, "prompt_key": row.prompt_key, "lang": row.lang, "source": made.builder.slug,
                   "models": list(row.models), "raters": row.raters, "agreement": row.agreement}  # fmt: skip
    return Preview(made.funnel, splits, round(found.size * scale), round(clusters * scale), drawn, row_type, lengths,
                   balance, told, example)  # fmt: skip
