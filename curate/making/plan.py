"""What a recipe makes rows of: the items it takes, in order, each with what its raters said together and its side.

Made of numbers alone, for a preview and for a freeze alike. About 250 bytes an item are in memory, and no text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from accounts.models import Project, User
from curate.builders import BUILDERS, Builder
from curate.making import aggregate, facts, source, split
from curate.making.aggregate import Decided
from curate.making.columns import Column, read
from curate.making.funnel import Funnel
from curate.making.source import Answers
from registry.models import ModelVersion
from registry.specs import BuildDatasetSpec

SAME_TEXT = ("same_text", "with two different texts")


class RecipeError(Exception):
    """The recipe asks for what is not there; the message says what and where."""


@dataclass
class Facts:
    """Where the numbers of a project come from. A preview keeps them between one look and the next, see `kept`."""

    project: Project

    def answers(self, kinds: tuple[str, ...], *, compares: bool, two_prompts: bool) -> Answers:
        return source.read_answers(self.project, kinds, compares=compares, two_prompts=two_prompts)

    def responses(self) -> facts.Responses:
        return facts.responses_of(self.project)

    def shown(self) -> facts.Shown:
        return facts.shown_of(self.project)

    def prompts(self, pks: NDArray[np.int64]) -> facts.Prompts:
        return facts.prompts_of(pks)

    def groups(self, prompts: facts.Prompts, **how: Any) -> NDArray[np.int64]:
        return split.groups(prompts, **how)


@dataclass
class Plan:
    """Items in the order in which they become rows: near-duplicate prompts beside each other, by key, then by task."""

    project: Project
    recipe: BuildDatasetSpec
    builder: Builder
    options: Any
    funnel: Funnel
    prompts: facts.Prompts
    group: NDArray[np.int64]
    """Of each prompt, what is kept on one side: see curate.making.split.groups. (prompts,)"""
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
    scorer: ModelVersion | None = None

    def __len__(self) -> int:
        return int(self.task.size)


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


def plan(project: Project, recipe: BuildDatasetSpec, *, known: Facts | None = None) -> Plan:
    """Raises RecipeError."""
    builder = BUILDERS[recipe.rows]
    options = options_of(builder, recipe)
    known = known or Facts(project)
    scorer = scorer_of(project, options, builder)
    if builder.reads == "scores":
        assert scorer is not None
        return of_scores(known, recipe, builder, options, scorer)
    found = of_answers(known, recipe, builder, options)
    found.scorer = scorer
    return found


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


def of_answers(known: Facts, recipe: BuildDatasetSpec, builder: Builder, options: Any) -> Plan:
    project, funnel = known.project, Funnel()
    kinds = source.kinds_of(builder, recipe)
    decides = builder.reads == "decisions"
    answers = known.answers(kinds, compares=decides, two_prompts=builder.two_prompts)
    taken = source.take(project, recipe, funnel, answers=answers, langs=lambda: in_languages(project, recipe.languages),
                        kinds=kinds)  # fmt: skip
    answers = taken.answers
    votes = source.votes_of(answers) if decides and not builder.undecided else answers
    funnel.turn("items", "items that they are about", np.unique(votes.task).size, unit="items",
                why="several raters answer one item")  # fmt: skip
    if recipe.minimum_raters > 1:
        votes = votes.where(source.enough_raters(votes, recipe.minimum_raters))
        funnel.keep("minimum_raters", f"with {recipe.minimum_raters} raters or more", np.unique(votes.task).size,
                    why="fewer people answered")  # fmt: skip
    tasks, first = np.unique(votes.task, return_index=True)
    pks = votes.prompt[first]
    others = other_prompts(project, tasks) if builder.two_prompts else np.zeros((2, 0), dtype=np.int64)
    prompts = known.prompts(np.unique(np.concatenate([pks, others[1]])))
    together = prompts.at(others) if others.size else None
    found = Plan(project, recipe, builder, options, funnel, prompts, *grouped(known, recipe, prompts, together),
                 tasks, prompts.at(pks), answers)  # fmt: skip
    if decides:
        decide_items(found, known, source.votes_of(votes) if builder.undecided else votes, taken.gold)
    return ordered(found)


def grouped(
    known: Facts, recipe: BuildDatasetSpec, prompts: facts.Prompts, together: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """(group, cluster, whether it is held out) of each prompt."""
    group = known.groups(prompts, by=recipe.split_by, threshold=recipe.near_duplicate, together=together)
    cluster = group
    if recipe.deduplicate == "near" and recipe.split_by == "prompt":
        cluster = known.groups(prompts, by="cluster", threshold=recipe.near_duplicate, together=together)
    return group, cluster, split.sides(prompts, group, seed=recipe.seed, held_out_share=recipe.held_out_share)


def decide_items(found: Plan, known: Facts, votes: Answers, gold: dict[int, tuple[int, int]]) -> None:
    """Leave the items whose raters decided, or all whose texts differ for a builder that takes the undecided."""
    recipe, builder, funnel = found.recipe, found.builder, found.funnel
    shown, responses = known.shown(), known.responses()
    at = np.minimum(np.searchsorted(shown.task, votes.task), max(shown.task.size - 1, 0))
    two = shown.task[at] == votes.task if shown.task.size else np.zeros(len(votes), dtype=bool)
    votes, at = votes.where(two), at[two]
    one, other = responses.at(shown.first[at]), responses.at(shown.second[at])
    written = (responses.chars[one] > 0) & (responses.chars[other] > 0)
    votes, one, other = votes.where(written), one[written], other[written]
    if not builder.undecided:
        funnel.keep("written", "with two responses that have a text", np.unique(votes.task).size,
                    why="a response is empty, or its text was never imported")  # fmt: skip
    if not builder.two_prompts and not builder.undecided:
        differ = responses.digest[one] != responses.digest[other]
        votes, one, other = votes.where(differ), one[differ], other[differ]
        funnel.keep(*SAME_TEXT, np.unique(votes.task).size, why="both responses say the same")
    needs_names = recipe.aggregate in {"dawid_skene", "mace"}
    contents = np.array([int.from_bytes(c[:7], "big") for c in found.prompts.content], dtype=np.int64)
    decided = aggregate.decide(
        votes, recipe, verdicts=facts.verdicts_of(found.project), gold=gold,
        order=contents[found.prompts.at(votes.prompt)] if needs_names else None,
        names=names_of(votes) if needs_names else None,
    )  # fmt: skip
    if recipe.aggregate == "each" and not builder.undecided:
        funnel.turn("each", "answers to them, each on its own", len(decided), unit="answers")
    stands = np.ones(len(decided), dtype=bool)
    for number, (reason, words) in enumerate(aggregate.UNDECIDED.items(), start=1):
        stands &= decided.reason != number
        if not builder.undecided:
            funnel.keep(reason, words, int(stands.sum()), why=why_undecided(reason, recipe))
    decided = decided.where(stands)
    first, second = one[decided.start], other[decided.start]
    found.votes, found.decided, found.responses = votes, decided, responses
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
    rank = found.prompts.rank
    lowest = np.full(rank.size, rank.size, dtype=np.int64)
    np.minimum.at(lowest, found.cluster, rank)
    order = np.lexsort((found.task, rank[found.prompt], lowest[found.cluster[found.prompt]]))
    found.task, found.prompt = found.task[order], found.prompt[order]
    return found


def of_scores(known: Facts, recipe: BuildDatasetSpec, builder: Builder, options: Any, scorer: ModelVersion) -> Plan:
    """Prompts with scored responses. Filters that speak of answers have nothing to filter here."""
    project, funnel = known.project, Funnel()
    rows = read(
        """SELECT r.prompt_id, coalesce(r.job_id, 0) FROM annotate_responsescore s
        JOIN annotate_response r ON r.id = s.response_id JOIN annotate_prompt p ON p.id = r.prompt_id
        WHERE s.model_id = %(scorer)s AND p.project_id = %(project)s""",
        [Column("prompt"), Column("job")], scorer=scorer.pk, project=project.pk,
    )  # fmt: skip
    prompt, job = rows["prompt"], rows["job"]
    funnel.start("responses", f"responses scored by {scorer.name}", prompt.size)
    filters: Sequence[tuple[str, str, Any, Callable[[], NDArray[np.bool_]]]] = (
        ("languages", "in {}", recipe.languages, lambda: np.isin(prompt, in_languages(project, recipe.languages))),
        ("tags", "tagged {}", recipe.tags, lambda: np.isin(prompt, source.tagged(project, recipe.tags))),
        ("rounds", "of {}", recipe.rounds, lambda: np.isin(job, source.runs(project, recipe.rounds))),
    )
    for key, words, wanted, passes in filters:
        if wanted:
            keep = passes()
            prompt, job = prompt[keep], job[keep]
            funnel.keep(key, words.format(", ".join(wanted)), prompt.size)
    pks = np.unique(prompt)
    funnel.turn("items", "prompts that they answer", pks.size, unit="items", why="several responses answer one prompt")
    prompts = known.prompts(pks)
    empty = np.zeros(0, dtype=np.int64)
    nothing = Answers(**dict.fromkeys(Answers.__dataclass_fields__, empty))  # type: ignore[arg-type]
    found = Plan(project, recipe, builder, options, funnel, prompts, *grouped(known, recipe, prompts),
                 pks, prompts.at(pks), nothing)  # fmt: skip
    found.scorer = scorer
    return ordered(found)


# --- What else is asked of the database -----------------------------------------------------------------------------


def in_languages(project: Project, languages: Sequence[str]) -> NDArray[np.int64]:
    return source.ids("SELECT id FROM annotate_prompt WHERE project_id = %(project)s AND lang = ANY(%(langs)s)",
                      project=project.pk, langs=list(languages))  # fmt: skip


def other_prompts(project: Project, tasks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Prompts that are compared in one item: (2, pairs) of the item's own and its responses'."""
    rows = read(
        """SELECT t.id, t.prompt_id, r.prompt_id FROM annotate_task t JOIN annotate_taskresponse tr ON tr.task_id = t.id
        JOIN annotate_response r ON r.id = tr.response_id WHERE t.project_id = %(project)s AND t.two_prompts""",
        [Column("task"), Column("own"), Column("other")], project=project.pk,
    )  # fmt: skip
    keep = np.isin(rows["task"], tasks)
    return np.stack([rows["own"][keep], rows["other"][keep]])


def names_of(votes: Answers) -> dict[int, str]:
    people = np.unique(votes.rater).tolist()
    return dict(User.objects.filter(pk__in=people).values_list("pk", "username"))
