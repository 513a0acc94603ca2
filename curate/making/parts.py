"""A plan in parts, for a freeze: memory does not grow with the answers, and by little more than 30 bytes a prompt.

What all of a project is needed for is done first, by the database and by files, both of which sort on disk:

1. The answers that count go into a temporary table. Read once in the order of items, they are filtered; the prompts of
   what is left are remembered, and the funnel's first steps are counted.
2. These prompts are numbered by key and put into groups, see `curate.making.places`.
3. Where raters are weighed, the votes that this is learnt from are drawn in one pass, see `curate.making.posteriors`.

Then the answers are read again in the order of rows, some thousand whole items at a time; each part is decided by the
functions that decide a whole plan. All of it inside one transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from accounts.models import Project
from curate.making import facts, places, source
from curate.making.aggregate import WEIGHED, Verdicts
from curate.making.columns import Column, Columns, copy, read_windows, whole
from curate.making.funnel import Sums
from curate.making.plan import (
    Asked,
    Compared,
    Facts,
    Plan,
    asked,
    decide_items,
    items_of,
    no_answers,
    ordered,
    other_prompts,
    scored_prompts,
    scored_responses,
    taken,
    usernames,
)
from curate.making.posteriors import Learner, Learnt
from curate.making.source import Answers, Asking
from registry.specs import BuildDatasetSpec

ANSWERS = "freeze_answer"
TYPES = {"step": "int", "kind": "smallint", "origin": "smallint", "preference": "smallint", "first": "smallint"}
PLACE = [Column("rank"), Column("order"), Column("cluster"), Column("group"), Column("held_out", "bool")]
PROMPTS = 1_000
"""Prompts with scored responses in one part."""


class Some(Facts):
    """Facts of the items at hand, asked for by their ids."""

    def shown(self, tasks: NDArray[np.int64]) -> facts.Shown:
        return facts.shown_of(self.project, only=tasks)

    def responses(self, pks: NDArray[np.int64]) -> facts.Responses:
        return facts.responses_of(self.project, only=pks)

    def verdicts(self, tasks: NDArray[np.int64]) -> Verdicts:
        return facts.verdicts_of(self.project, only=tasks)


@dataclass
class Parts(Asked):
    """As curate.making.plan.Plan, but each part comes when it is asked for. `funnel` is whole after the last one."""

    asking: Asking
    items: int = 0
    """Items that have an answer; not all of them become rows."""
    first: Sums = field(default_factory=Sums)
    """Steps of the funnel that are counted before there is an order."""
    learnt: Learnt | None = None

    def parts(self) -> Iterator[Plan]:
        sums = Sums()
        for part in self.scored() if self.builder.reads == "scores" else self.answered():
            part.funnel = sums
            if self.builder.reads == "decisions":
                self.decide(part)
            yield ordered(part)
        self.first.into(self.funnel)
        sums.into(self.funnel)

    def decide(self, part: Plan) -> None:
        known = Some(self.project)
        assert part.votes is not None
        decide_items(part, known, Compared.of(part, known, part.votes), self.asking, self.learnt)

    def answered(self) -> Iterator[Plan]:
        """Items with their answers, none of them decided."""
        for rows in whole(
            read_windows(places.in_order(ANSWERS, "prompt", "task, pk"), [*source.COLUMNS, *PLACE]), "task"
        ):
            answers = Answers(**{one.name: rows[one.name] for one in source.COLUMNS})
            answers = answers.where(np.lexsort((answers.pk, answers.task)))
            answers, votes = taken(self, self.asking, answers, Sums())
            tasks, pks = items_of(votes)
            yield self.part(rows, answers, tasks, pks, votes)

    def scored(self) -> Iterator[Plan]:
        """Prompts with scored responses."""
        prompts = places.in_order("(SELECT pk AS prompt FROM freeze_prompt)", "prompt", "prompt")
        for rows in read_windows(prompts, [Column("prompt"), *PLACE], size=PROMPTS):
            pks = np.unique(rows["prompt"])
            yield self.part(rows, no_answers(), pks, pks, None)

    def part(
        self, rows: Columns, answers: Answers, tasks: NDArray[np.int64], pks: NDArray[np.int64], votes: Answers | None
    ) -> Plan:
        prompt, at = np.unique(rows["prompt"], return_index=True)
        known = facts.Places(prompt, rows["rank"][at], rows["order"][at])
        return Plan(
            self.project, self.recipe, self.builder, self.options, self.scorer, self.funnel, prompts=known,
            group=rows["group"][at], cluster=rows["cluster"][at], held_out=rows["held_out"][at], task=tasks,
            prompt=known.at(pks), answers=answers, votes=votes,
        )  # fmt: skip


@contextmanager
def in_parts(project: Project, recipe: BuildDatasetSpec, folder: Path) -> Iterator[Parts]:
    """Raises RecipeError. The parts are there inside the block; `folder` is where files without a name are."""
    of = asked(project, recipe)
    made = Parts(**vars(of), asking=Asking(project, recipe, narrow=True))
    with transaction.atomic(), places.tables():
        if of.builder.reads == "scores":
            remember_scored(made)
        else:
            remember_answered(made)
        places.fill(recipe, folder)
        if of.builder.reads == "decisions" and recipe.aggregate in WEIGHED:
            made.learnt = learnt(made)
        yield made


def remember_answered(made: Parts) -> None:
    """The answers that count, the prompts of those that the recipe takes, and the steps of the funnel up to there."""
    two = made.builder.two_prompts
    sql, values = source.current_answers(
        made.project, source.kinds_of(made.builder, made.recipe), compares=source.in_general(made.builder),
        two_prompts=two,
    )  # fmt: skip
    table(sql, values)
    by_task = f"SELECT * FROM {ANSWERS} ORDER BY task, pk"
    for rows in whole(read_windows(by_task, source.COLUMNS), "task"):
        _, votes = taken(made, made.asking, Answers(**rows), made.first)
        tasks, pks = items_of(votes)
        made.items += tasks.size
        copy("freeze_wanted", np.unique(pks))
        if two:
            others = other_prompts(made.project, tasks, narrow=True)
            copy("freeze_wanted", np.unique(others[1]))
            copy("freeze_together", others[0], others[1])


def table(sql: str, values: dict[str, Any]) -> None:
    names = [one.name for one in source.COLUMNS]
    found = ", ".join(f"c{n}" for n in range(len(names)))
    narrow = ", ".join(
        f'c{n}{"" if one.kind == "bool" else "::" + TYPES.get(one.name, "bigint")} AS "{one.name}"'
        if one.name != "at" else f'floor(c{n})::bigint AS "at"' for n, one in enumerate(source.COLUMNS)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {ANSWERS} AS SELECT {narrow} FROM ({sql}) AS found ({found})", values)
        cursor.execute(f"ANALYZE {ANSWERS}")


def remember_scored(made: Parts) -> None:
    for rows in whole(read_windows(*scored_responses(made)), "prompt"):
        pks = scored_prompts(made, made.asking, rows, made.first)
        made.items += pks.size
        copy("freeze_wanted", pks)


def learnt(made: Parts) -> Learnt:
    """What raters are worth, from the votes on responses that differ."""
    learner, known = Learner(), Some(made.project)
    for part in made.answered():
        assert part.votes is not None
        part.funnel = Sums()
        votes = Compared.of(part, known, part.votes).votes
        learner.add(votes, part.prompts.order[part.prompts.at(votes.prompt)])
    return learner.learnt(made.recipe.aggregate, usernames(learner.raters))
