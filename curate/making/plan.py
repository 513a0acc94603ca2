"""What a recipe makes rows of: the items it takes, in order, each with what its raters said together and its side.

Made of numbers alone. A preview has the plan of all items in memory, about 250 bytes an item and no text; a freeze has
it a part after another, see `curate.making.parts`. The steps are the same functions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from accounts.models import Project, User
from curate.builders import BUILDERS, Builder
from curate.making import aggregate, facts, source, split
from curate.making.aggregate import Decided, Verdicts
from curate.making.columns import Column, read
from curate.making.funnel import Funnel
from curate.making.posteriors import Learner, Learnt
from curate.making.source import Answers, Asking
from registry.models import ModelVersion
from registry.specs import BuildDatasetSpec

SAME_TEXT = ("same_text", "with two different texts")


class RecipeError(Exception):
    """The recipe asks for what is not there; the message says what and where."""

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field
        """Name of the setting it is about, where it is one."""


@dataclass
class Facts:
    """Where the numbers of a project come from. A preview keeps them between one look and the next, see `kept`."""

    project: Project

    def answers(self, kinds: tuple[str, ...], *, compares: bool, two_prompts: bool) -> Answers:
        return source.read_answers(self.project, kinds, compares=compares, two_prompts=two_prompts)

    def responses(self, pks: NDArray[np.int64]) -> facts.Responses:
        """These at least."""
        return facts.responses_of(self.project)

    def shown(self, tasks: NDArray[np.int64]) -> facts.Shown:
        """Of these items at least."""
        return facts.shown_of(self.project)

    def verdicts(self, tasks: NDArray[np.int64]) -> Verdicts:
        """On these items at least."""
        return facts.verdicts_of(self.project)

    def prompts(self, pks: NDArray[np.int64]) -> facts.Prompts:
        return facts.prompts_of(pks)

    def groups(self, prompts: facts.Prompts, **how: Any) -> NDArray[np.int64]:
        return split.groups(prompts, **how)


@dataclass
class Asked:
    """A recipe, and who makes its rows."""

    project: Project
    recipe: BuildDatasetSpec
    builder: Builder
    options: Any
    scorer: ModelVersion | None
    funnel: Funnel


@dataclass
class Plan(Asked):
    """Items in the order in which they become rows: near-duplicate prompts beside each other, by key, then by task."""

    prompts: facts.Places
    group: NDArray[np.int64]
    """Of each prompt, what is kept on one side: the lowest rank in its group, see curate.making.split. (prompts,)"""
    cluster: NDArray[np.int64]
    """Of each prompt, what duplicates are looked for in: the same, or wider groups. (prompts,)"""
    held_out: NDArray[np.bool_]
    """Of each prompt. (prompts,)"""
    task: NDArray[np.int64]
    """Of each item; the prompt's id for builders that read scores. (items,)"""
    prompt: NDArray[np.int64]
    """Place in `prompts` of each item. (items,)"""
    answers: Answers
    """All that the source takes, sorted by task."""
    votes: Answers | None = None
    decided: Decided | None = None
    """Those that stand, sorted by task."""
    chosen: NDArray[np.int64] | None = None
    rejected: NDArray[np.int64] | None = None
    """Of each decision that stands: places in `responses`."""
    responses: facts.Responses | None = None

    def __len__(self) -> int:
        return int(self.task.size)

    @property
    def items(self) -> int:
        return len(self)

    def parts(self) -> "Iterator[Plan]":
        """All of it at once."""
        yield self


def options_of(builder: Builder, recipe: BuildDatasetSpec) -> Any:
    """Raises RecipeError for settings that the builder does not know."""
    try:
        return builder.options.model_validate(recipe.options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "options"
        raise RecipeError(
            f"options, {where}: {first['msg']}. {builder.title} knows {known_options(builder)}."
        ) from error


def known_options(builder: Builder) -> str:
    return ", ".join(builder.options.model_fields) or "no settings"


def asked(project: Project, recipe: BuildDatasetSpec) -> Asked:
    """Raises RecipeError."""
    builder = BUILDERS[recipe.rows]
    options = options_of(builder, recipe)
    check_aggregate(builder, recipe, options)
    return Asked(project, recipe, builder, options, scorer_of(project, options, builder), Funnel())


def check_aggregate(builder: Builder, recipe: BuildDatasetSpec, options: Any) -> None:
    """Raises RecipeError where the builder cannot make one of several raters as the recipe says."""
    way, can = recipe.aggregate, builder.aggregates
    if way not in can:
        raise RecipeError(
            f"aggregate: {builder.title} cannot be made by {way}. Choose {' or '.join(can)}.", "aggregate"
        )  # fmt: skip
    if way not in aggregate.WEIGHED or builder.counts_alike is None:
        return
    if alike := builder.counts_alike(options, source.kinds_of(builder, recipe)):
        raise RecipeError(f"aggregate: {way} weighs raters of comparisons, and {builder.title} would count {alike}, "
                          "or choose majority.", "aggregate")  # fmt: skip


def plan(project: Project, recipe: BuildDatasetSpec, *, known: Facts | None = None) -> Plan:
    """Of all items. Raises RecipeError."""
    of, known = asked(project, recipe), known or Facts(project)
    return of_scores(of, known) if of.builder.reads == "scores" else of_answers(of, known)


def scorer_of(project: Project, options: Any, builder: Builder) -> ModelVersion | None:
    """The reward model whose scores are read: the one that is named, or else the newest of the project."""
    if builder.reads != "scores" and getattr(options, "scores", "") != "reward":
        return None
    name = getattr(options, "model", "")
    models = ModelVersion.objects.filter(project=project, role=ModelVersion.Role.REWARD)
    model = (models.filter(name=name) if name else models.order_by("-pk")).first()
    if model is None:
        which = f"no reward model {name}" if name else "no reward model yet"
        raise RecipeError(f"options, model: there is {which} in this project. Train one and let it score responses.")
    return model


def of_answers(of: Asked, known: Facts) -> Plan:
    answers = known.answers(source.kinds_of(of.builder, of.recipe), compares=source.in_general(of.builder),
                            two_prompts=of.builder.two_prompts)  # fmt: skip
    asking = Asking(of.project, of.recipe)
    answers, votes = taken(of, asking, answers, of.funnel)
    tasks, pks = items_of(votes)
    others = other_prompts(of.project, tasks) if of.builder.two_prompts else np.zeros((2, 0), dtype=np.int64)
    prompts = known.prompts(np.unique(np.concatenate([pks, others[1]])))
    together = prompts.at(others) if others.size else None
    found = Plan(**vars(of), **grouped(known, of.recipe, prompts, together), task=tasks, prompt=prompts.at(pks),
                 answers=answers)  # fmt: skip
    if of.builder.reads == "decisions":
        compared = Compared.of(found, known, votes)
        decide_items(found, known, compared, asking, learnt(found, compared))
    return ordered(found)


def taken(of: Asked, asking: Asking, answers: Answers, funnel: Funnel) -> tuple[Answers, Answers]:
    """(the answers that the source takes, those of them that items are made of); of whole items."""
    recipe, builder = of.recipe, of.builder
    answers = source.take(asking, funnel, answers=answers, kinds=source.kinds_of(builder, recipe))
    votes = source.votes_of(answers) if builder.reads == "decisions" and not builder.undecided else answers
    funnel.turn("items", "items that they are about", np.unique(votes.task).size, unit="items",
                why="several raters answer one item")  # fmt: skip
    if recipe.minimum_raters > 1:
        votes = votes.where(source.enough_raters(votes, recipe.minimum_raters))
        funnel.keep("minimum_raters", f"with {recipe.minimum_raters} raters or more", np.unique(votes.task).size,
                    why="fewer people answered")  # fmt: skip
    return answers, votes


def items_of(votes: Answers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(tasks, ids of their prompts)"""
    tasks, first = np.unique(votes.task, return_index=True)
    return tasks, votes.prompt[first]


def grouped(
    known: Facts, recipe: BuildDatasetSpec, prompts: facts.Prompts, together: NDArray[np.int64] | None = None
) -> dict[str, Any]:
    """The fields of a plan that are about prompts."""
    group = known.groups(prompts, by=recipe.split_by, threshold=recipe.near_duplicate, together=together)
    cluster = group
    if recipe.deduplicate == "near" and recipe.split_by == "prompt":
        cluster = known.groups(prompts, by="cluster", threshold=recipe.near_duplicate, together=together)
    held_out = split.sides(prompts, group, seed=recipe.seed, held_out_share=recipe.held_out_share)
    lowest = [lowest_rank(prompts, one) for one in (group, cluster)]
    return {"prompts": prompts, "group": lowest[0], "cluster": lowest[1], "held_out": held_out}


def lowest_rank(prompts: facts.Prompts, group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each prompt's group by the rank of the first of its keys, which names it and says where it comes. (prompts,)"""
    lowest = np.full(prompts.rank.size, prompts.rank.size, dtype=np.int64)
    np.minimum.at(lowest, group, prompts.rank)
    found: NDArray[np.int64] = lowest[group]
    return found


@dataclass(frozen=True)
class Compared:
    """Votes on two responses that differ, and which these are: places in `responses`. (votes,)"""

    votes: Answers
    one: NDArray[np.int64]
    other: NDArray[np.int64]
    responses: facts.Responses

    @classmethod
    def of(cls, found: Plan, known: Facts, votes: Answers) -> "Compared":
        builder, funnel = found.builder, found.funnel
        votes = source.votes_of(votes) if builder.undecided else votes
        shown = known.shown(np.unique(votes.task))
        at = np.minimum(np.searchsorted(shown.task, votes.task), max(shown.task.size - 1, 0))
        two = shown.task[at] == votes.task if shown.task.size else np.zeros(len(votes), dtype=bool)
        votes, at = votes.where(two), at[two]
        first, second = shown.first[at], shown.second[at]
        responses = known.responses(np.unique(np.concatenate([first, second])))
        one, other = responses.at(first), responses.at(second)
        keep = (responses.chars[one] > 0) & (responses.chars[other] > 0)
        if not builder.undecided:
            funnel.keep("written", "with two responses that have a text", np.unique(votes.task[keep]).size,
                        why="a response is empty, or its text was never imported")  # fmt: skip
        if not builder.two_prompts and not builder.undecided:
            keep &= responses.digest[one] != responses.digest[other]
            funnel.keep(*SAME_TEXT, np.unique(votes.task[keep]).size, why="both responses say the same")
        return cls(votes.where(keep), one[keep], other[keep], responses)


def learnt(found: Plan, compared: Compared) -> Learnt | None:
    """What raters are worth, where the recipe weighs them."""
    if found.recipe.aggregate not in aggregate.WEIGHED:
        return None
    learner = Learner()
    learner.add(compared.votes, found.prompts.order[found.prompts.at(compared.votes.prompt)])
    return learner.learnt(found.recipe.aggregate, usernames(learner.raters))


def decide_items(found: Plan, known: Facts, compared: Compared, asking: Asking, learnt: Learnt | None) -> None:
    """Leave the items whose raters decided, or all whose texts differ for a builder that takes the undecided."""
    recipe, builder, funnel, votes = found.recipe, found.builder, found.funnel, compared.votes
    verdicts = known.verdicts(np.unique(votes.task))
    decided = aggregate.decide(votes, recipe, verdicts=verdicts, gold=asking.gold, learnt=learnt)
    if recipe.aggregate == "each" and not builder.undecided:
        funnel.turn("each", "answers to them, each on its own", len(decided), unit="answers")
    stands = np.ones(len(decided), dtype=bool)
    for number, (reason, words) in enumerate(aggregate.UNDECIDED.items(), start=1):
        stands &= decided.reason != number
        if not builder.undecided:
            funnel.keep(reason, words, int(stands.sum()), why=why_undecided(reason, recipe))
    decided = decided.where(stands)
    first, second = compared.one[decided.start], compared.other[decided.start]
    found.votes, found.decided, found.responses = votes, decided, compared.responses
    found.chosen = np.where(decided.winner == 0, first, second)
    found.rejected = np.where(decided.winner == 0, second, first)
    if not builder.undecided:
        keep = np.isin(found.task, decided.task)
        found.task, found.prompt = found.task[keep], found.prompt[keep]


def why_undecided(reason: str, recipe: BuildDatasetSpec) -> str:
    return {
        "both_bad": "most called both bad", "tie": "no side won",
        "agreement": f"fewer than {recipe.minimum_agreement:.0%} of the raters on one side",
    }[reason]  # fmt: skip


def ordered(found: Plan) -> Plan:
    """Clusters by the first of their keys, then by key, then by task."""
    order = np.lexsort((found.task, found.prompts.rank[found.prompt], found.cluster[found.prompt]))
    found.task, found.prompt = found.task[order], found.prompt[order]
    return found


# --- Prompts with scored responses. Filters that speak of answers have nothing to filter here. ---------------------


def of_scores(of: Asked, known: Facts) -> Plan:
    rows = read(*scored_responses(of))
    pks = scored_prompts(of, Asking(of.project, of.recipe), rows, of.funnel)
    prompts = known.prompts(pks)
    return ordered(
        Plan(**vars(of), **grouped(known, of.recipe, prompts), task=pks, prompt=prompts.at(pks), answers=no_answers())
    )


def scored_responses(of: Asked) -> tuple[str, list[Column]]:
    """The query, its two numbers being no text of anyone's, and its columns."""
    assert of.scorer is not None
    return (
        f"""SELECT r.prompt_id, coalesce(r.job_id, 0) FROM annotate_responsescore s
        JOIN annotate_response r ON r.id = s.response_id JOIN annotate_prompt p ON p.id = r.prompt_id
        WHERE s.model_id = {of.scorer.pk:d} AND p.project_id = {of.project.pk:d} ORDER BY r.prompt_id""",
        [Column("prompt"), Column("job")],
    )


def scored_prompts(of: Asked, asking: Asking, rows: dict[str, NDArray[np.int64]], funnel: Funnel) -> NDArray[np.int64]:
    """Those that the recipe takes, each once."""
    assert of.scorer is not None
    recipe, prompt, job = of.recipe, rows["prompt"], rows["job"]
    funnel.start("responses", f"responses scored by {of.scorer.name}", prompt.size)
    if asking.has_pictures:
        keep = ~asking.pictured(prompt)
        prompt, job = prompt[keep], job[keep]
        funnel.keep("pictures", "to prompts without a picture", prompt.size, why="rows hold texts alone")
    filters: tuple[tuple[str, str, list[str], Callable[[], NDArray[np.bool_]]], ...] = (
        ("languages", "in {}", recipe.languages, lambda: asking.in_languages(prompt)),
        ("tags", "tagged {}", recipe.tags, lambda: asking.tagged(prompt)),
        ("rounds", "of {}", recipe.rounds, lambda: np.isin(job, source.runs(of.project, recipe.rounds))),
    )
    for key, words, wanted, passes in filters:
        if wanted:
            keep = passes()
            prompt, job = prompt[keep], job[keep]
            funnel.keep(key, words.format(", ".join(wanted)), prompt.size)
    pks = np.unique(prompt)
    funnel.turn("items", "prompts that they answer", pks.size, unit="items", why="several responses answer one prompt")
    return pks


def no_answers() -> Answers:
    empty = np.zeros(0, dtype=np.int64)
    return Answers(**dict.fromkeys(Answers.__dataclass_fields__, empty))  # type: ignore[arg-type]


# --- What else is asked of the database -----------------------------------------------------------------------------


def other_prompts(project: Project, tasks: NDArray[np.int64], *, narrow: bool = False) -> NDArray[np.int64]:
    """Prompts that are compared in one item: (2, pairs) of the item's own and its responses'."""
    which = " AND t.id = ANY(%(tasks)s)" if narrow else ""
    rows = read(
        """SELECT t.id, t.prompt_id, r.prompt_id FROM annotate_task t JOIN annotate_taskresponse tr ON tr.task_id = t.id
        JOIN annotate_response r ON r.id = tr.response_id WHERE t.project_id = %(project)s AND t.two_prompts"""
        + which,
        [Column("task"), Column("own"), Column("other")], project=project.pk, tasks=tasks.tolist() if narrow else [],
    )  # fmt: skip
    keep = np.isin(rows["task"], tasks)
    return np.stack([rows["own"][keep], rows["other"][keep]])


def usernames(people: NDArray[np.int64]) -> dict[int, str]:
    return dict(User.objects.filter(pk__in=people.tolist()).values_list("pk", "username"))
