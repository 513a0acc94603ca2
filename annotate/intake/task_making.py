"""Responses in, tasks out: what a researcher does before anybody can answer. Never the same item twice."""

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import Membership, Project, record_audit
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from annotate import services
from annotate.design.protocols import ProtocolError, Step, parse_steps
from annotate.intake.collection import Number
from annotate.intake.prompt_lines import MAX_CRITERION, MAX_PRIORITY, MAX_RATERS, MAX_SKILL
from annotate.models import Prompt, Protocol, Response, Task, TaskResponse
from registry.models import Job

DRAWN_FROM = 2_000
"""Where a prompt's responses make more sets than this, so many are drawn and the items taken from those."""
SHORTEST_CANDIDATE = 3
"""Characters. Shorter candidates of a selection are left out, as in ILLUME (arXiv 2208.08241)."""
USUAL_SIZE = {"rubric": 2, "ranking": 4, "selection": 5}
PLAIN = "pairwise"


@dataclass(frozen=True)
class Recipe:
    """What tasks are made of."""

    protocol: Protocol | None = None
    """None: one pairwise comparison."""
    size: int = 2
    """Responses an item."""
    items: int = 3
    """Items a prompt, at most."""
    wanted: int = 1
    ceiling: int | None = None
    criterion: str = ""
    skill: str = ""
    priority: int = 0
    two_prompts: bool = False
    """Pairs of responses to two prompts of the same language, each shown with its own (DOVE, arXiv 2404.00530)."""

    @property
    def steps(self) -> tuple[Step, ...]:
        return steps_asked(self.protocol)

    @property
    def is_chat(self) -> bool:
        """Whether its items take no responses: those of a chat come with the turns."""
        return sizes_of(self.steps)[1] == 0

    def said_by(self, line: Mapping[str, Any]) -> "Recipe":
        """With what one line says of its task."""
        return replace(self, **line) if line else self

    def create(self, responses: Sequence[Response], prompt: Prompt | None = None, **values: Any) -> Task:
        """One task over these responses, in this order."""
        return services.create_task(
            prompt=prompt or responses[0].prompt, responses=responses, protocol=self.protocol, wanted=self.wanted,
            ceiling=self.ceiling, criterion=self.criterion, skill=self.skill, priority=self.priority, **values,
        )  # fmt: skip


def steps_asked(protocol: Protocol | None) -> tuple[Step, ...]:
    return parse_steps(protocol.steps if protocol else [{"kind": PLAIN}])


def sizes_of(steps: Sequence[Step]) -> tuple[int, int]:
    """The least and the most responses that an item with these steps may have."""
    whole = [step.kind for step in steps if step.of == "all"]
    return max([1, *(kind.least for kind in whole)]), min([12, *(kind.most for kind in whole)])


def usual_size(steps: Sequence[Step]) -> int:
    least, most = sizes_of(steps)
    return min(max([least, *(USUAL_SIZE.get(step.kind.slug, 1) for step in steps)]), most)


def protocols_of(project: Project, *, chats: bool = False) -> list[Protocol]:
    """The newest version of each protocol that responses can be put into, and of chats where they are asked for."""
    newest: dict[str, Protocol] = {}
    for protocol in project.protocols.order_by("name", "-version"):
        newest.setdefault(protocol.name, protocol)
    return [protocol for protocol in newest.values() if can_be_asked(protocol, chats=chats)]


def can_be_asked(protocol: Protocol, *, chats: bool) -> bool:
    try:
        return chats or sizes_of(steps_asked(protocol))[1] > 0
    except ProtocolError:
        return False


# --- Sets of responses --------------------------------------------------------------------------------------


@transaction.atomic
def make_tasks(run: Job, other: Job | None, recipe: Recipe) -> int:
    """New tasks of sets that no task holds yet, the same ones however often it is asked; returns how many."""
    # One at a time a project: two clicks would draw the same sets.
    Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
    seen = known_sets(run, other, recipe)
    made = 0
    for responses in (
        across_prompts(run, other, recipe, seen) if recipe.two_prompts else items_of(run, other, recipe, seen)
    ):
        recipe.create(responses)
        made += 1
    return made


def known_sets(run: Job, other: Job | None, recipe: Recipe) -> set[frozenset[int]]:
    """What is asked already under the same protocol and criterion: another criterion is another question."""
    tasks = Task.objects.filter(
        project_id=run.project_id, protocol=recipe.protocol, criterion=recipe.criterion,
        kind=recipe.steps[0].kind.slug, task_responses__response__job__in=[one for one in (run, other) if one],
    )  # fmt: skip
    found: dict[int, set[int]] = {}
    for task, response in TaskResponse.objects.filter(task__in=tasks).values_list("task_id", "response_id"):
        found.setdefault(task, set()).add(response)
    return {frozenset(responses) for responses in found.values()}


def items_of(run: Job, other: Job | None, recipe: Recipe, seen: set[frozenset[int]]) -> Iterator[list[Response]]:
    """Sets of responses to one prompt, in the order that becomes the canonical one."""
    selects = any(step.kind.slug == "selection" for step in recipe.steps)
    second = answers_by_prompt(other) if other else {}
    for prompt_id, mine in answers_by_prompt(run).items():
        theirs = second.get(prompt_id, [])
        if other and not theirs:
            continue
        draw = random.Random(f"{run.pk}:{prompt_id}")
        pool = [*mine, *theirs]
        if selects:
            pool = distinct(pool)
        size = min(recipe.size, len(pool)) if selects else recipe.size
        fresh = [
            one
            for one in sets_from(pool, size, draw)
            if frozenset(response.pk for response in one) not in seen
            and (selects or len({response.text.strip() for response in one}) == size)
            and (other is None or size == 1 or len({response.job_id for response in one}) > 1)
        ]
        for one in draw.sample(fresh, min(recipe.items, len(fresh))):
            responses = list(one)
            draw.shuffle(responses)
            yield responses


def sets_from(pool: Sequence[Response], size: int, draw: random.Random) -> list[tuple[Response, ...]]:
    if not 0 < size <= len(pool):
        return []
    if math.comb(len(pool), size) <= DRAWN_FROM:
        return list(itertools.combinations(pool, size))
    drawn = {tuple(sorted(draw.sample(range(len(pool)), size))) for _ in range(DRAWN_FROM)}
    return [tuple(pool[number] for number in numbers) for numbers in sorted(drawn)]


def distinct(pool: Sequence[Response]) -> list[Response]:
    """Candidates that differ in more than case, without those that say nothing."""
    found: dict[str, Response] = {}
    for response in pool:
        text = response.text.strip().lower()
        if len(text) >= SHORTEST_CANDIDATE:
            found.setdefault(text, response)
    return list(found.values())


def across_prompts(run: Job, other: Job | None, recipe: Recipe, seen: set[frozenset[int]]) -> Iterator[list[Response]]:
    """Pairs of responses to two prompts of the same language."""
    first = answers_by_prompt(run)
    second = answers_by_prompt(other) if other else first
    by_lang: dict[str, list[int]] = {}
    for prompt_id, theirs in second.items():
        by_lang.setdefault(theirs[0].prompt.lang, []).append(prompt_id)
    for prompt_id, mine in first.items():
        partners = [one for one in by_lang.get(mine[0].prompt.lang, []) if one != prompt_id]
        draw = random.Random(f"{run.pk}:{prompt_id}:two")
        made = 0
        for _ in range(20 * recipe.items if partners else 0):
            pair = [draw.choice(mine), draw.choice(second[draw.choice(partners)])]
            key = frozenset(response.pk for response in pair)
            if key in seen or pair[0].text.strip() == pair[1].text.strip():
                continue
            seen.add(key)
            draw.shuffle(pair)
            yield pair
            made += 1
            if made == recipe.items:
                break


def answers_by_prompt(run: Job) -> dict[int, list[Response]]:
    found: dict[int, list[Response]] = {}
    for response in Response.objects.filter(job=run).select_related("prompt").order_by("prompt__key", "pk"):
        found.setdefault(response.prompt_id, []).append(response)
    return found


# --- The page -----------------------------------------------------------------------------------------------


class AskedForm(forms.Form):
    """Who answers a task, and by what; the same for tasks of lines and of a run."""

    wanted = Number(1, MAX_RATERS, required=False, initial=1)
    ceiling = Number(1, MAX_RATERS, required=False)
    criterion = forms.CharField(required=False, max_length=MAX_CRITERION)
    skill = forms.CharField(required=False, max_length=MAX_SKILL)
    priority = Number(-MAX_PRIORITY, MAX_PRIORITY, required=False)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        wanted, ceiling = values.get("wanted") or 1, values.get("ceiling")
        if ceiling and ceiling < wanted:
            self.add_error("ceiling", f"At most {ceiling} is less than the {wanted} that are asked in any case.")
        return values

    def asked(self) -> dict[str, Any]:
        """The fields of a Recipe."""
        values = self.cleaned_data
        return {
            "wanted": values["wanted"] or 1, "ceiling": values["ceiling"], "criterion": values["criterion"],
            "skill": values["skill"], "priority": values["priority"] or 0,
        }  # fmt: skip


class TasksForm(AskedForm):
    protocol = forms.CharField(required=False)
    size = Number(1, 12, required=False)
    pairs = Number(1, 100, initial=3)
    against = forms.CharField(required=False)
    two_prompts = forms.BooleanField(required=False)
    wanted = Number(1, MAX_RATERS, initial=1)

    def __init__(self, *args: Any, protocols: Sequence[Protocol], others: Sequence[Job], **kwargs: Any) -> None:
        self.protocols = {str(one.pk): one for one in protocols}
        self.others = {one.name: one for one in others}
        super().__init__(*args, **kwargs)

    def clean_protocol(self) -> Protocol | None:
        return chosen_protocol(self.protocols, self.cleaned_data["protocol"])

    def clean_against(self) -> Job | None:
        name = self.cleaned_data["against"]
        if name and name not in self.others:
            raise forms.ValidationError(f"There is no other finished sample run {name[:60]!r}. Choose one of the list.")
        return self.others.get(name)

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if "protocol" not in values or "size" not in values:
            return values
        steps = steps_asked(values["protocol"])
        least, most = sizes_of(steps)
        both = values.get("two_prompts")
        values["size"] = int(values["size"] or (2 if both else usual_size(steps)))
        if not least <= values["size"] <= most:
            span = str(least) if least == most else f"{least} to {most}"
            self.add_error("size", f"This protocol shows {span} responses an item. Write that, or choose another one.")
        elif both and values["size"] != 2:
            self.add_error("size", "Two prompts make items of 2 responses. Write 2, or leave it empty.")
        return values

    def recipe(self) -> Recipe:
        values = self.cleaned_data
        return Recipe(
            protocol=values["protocol"], size=values["size"], items=values["pairs"],
            two_prompts=values["two_prompts"], **self.asked(),
        )  # fmt: skip


def chosen_protocol(protocols: dict[str, Protocol], name: str) -> Protocol | None:
    """The protocol of that id; None for the plain comparison. Raises ValidationError."""
    if name and name not in protocols:
        raise forms.ValidationError("There is no such protocol, or it has a newer version. Choose one of the list.")
    return protocols.get(name)


def skills_of(project: Project) -> list[str]:
    """What the members of the project can do, to choose from."""
    lists = Membership.objects.filter(project=project).values_list("skills", flat=True)
    return sorted({skill for skills in lists for skill in skills})


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def new_tasks(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    """From the responses of a sample run, or of two, to tasks for people."""
    run = sample_run(project, name)
    others = list(project.jobs.filter(kind="sample", status=Job.Status.SUCCEEDED).exclude(pk=run.pk).order_by("-pk"))
    protocols = protocols_of(project)
    form = TasksForm(request.POST or None, protocols=protocols, others=others)
    if request.method == "POST" and form.is_valid():
        recipe = form.recipe()
        made = make_tasks(run, form.cleaned_data["against"], recipe)
        if made:
            record_audit(actor=request.user, action="tasks.made", project=project, target=run.name, count=made)
            messages.success(request, f"{made:,} {made_of(recipe, made)} for raters.")
            return redirect("project", slug=project.slug)
        form.add_error(None, nothing_new(recipe))
    shown = [offered(one) for one in protocols]
    context = {"project": project, "run": run, "others": others, "form": form, "protocols": shown,
               "skills": skills_of(project)}  # fmt: skip
    return render(request, "annotate/tasks_new.html", context, status=422 if form.errors else 200)


def offered(protocol: Protocol) -> dict[str, Any]:
    """A protocol as the page offers it."""
    steps = steps_asked(protocol)
    asks = [step.kind.title if step.of == "all" else f"{step.kind.title} of the {step.of}" for step in steps]
    return {"protocol": protocol, "asks": ", then ".join([asks[0], *(one.lower() for one in asks[1:])]),
            "sizes": sizes_of(steps), "usual": usual_size(steps)}  # fmt: skip


def made_of(recipe: Recipe, made: int) -> str:
    word = "pair" if recipe.size == 2 else "item"
    return f"{word} waits" if made == 1 else f"{word}s wait"


def nothing_new(recipe: Recipe) -> str:
    """Why no task came out, and what is needed."""
    if recipe.two_prompts:
        return "No new pair comes out: it needs two prompts of the same language with responses that differ."
    if recipe.size == 1:
        return "No new item comes out: each response of the run is asked about already."
    if recipe.size == 2:
        return "No new pair comes out: each prompt needs two different answers that were not paired yet."
    return (
        f"No new item comes out: each prompt needs {recipe.size} different responses that were not asked about "
        "together yet. Ask for fewer an item, or sample more."
    )


def sample_run(project: Project, name: str) -> Job:
    return get_object_or_404(Job, project=project, name=name, kind="sample", status=Job.Status.SUCCEEDED)
