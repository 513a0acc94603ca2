"""Prompts in, tasks out: what a researcher does before anybody can vote."""

import itertools
import json
import random
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import Project, record_audit
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from annotate import services
from annotate.models import Prompt, Response, Task
from registry.models import Job

MAX_TEXT = 5_000_000
ROLES = ("system", "user", "assistant")


class LineError(ValueError):
    """One line that cannot be a prompt; the message says why."""


@dataclass
class Parsed:
    prompts: list[Prompt] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def parse_lines(text: str, project: Project) -> Parsed:
    """A prompt a line: plain text, or a JSON object {prompt | messages, key, lang, tags}."""
    found, keys = Parsed(), set[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            prompt = parse_line(line, project, number)
            if prompt.key in keys:
                raise LineError(f"the key {prompt.key} was used on an earlier line")
        except LineError as error:
            found.problems.append(f"Line {number}: {error}.")
        else:
            keys.add(prompt.key)
            found.prompts.append(prompt)
    return found


def parse_line(line: str, project: Project, number: int) -> Prompt:
    if "\x00" in line:
        raise LineError("it holds a NUL character, which cannot be stored")
    row: Any = {"prompt": line.strip()}
    if line.lstrip().startswith("{"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LineError(f"it is not valid JSON: {str(error)[:120]}") from error
    messages = row.get("messages", [{"role": "user", "content": row.get("prompt", "")}])
    key = str(row.get("key") or f"prompt-{number:05}")
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
        if "\x00" in turn["content"]:
            raise LineError("it holds a NUL character, which cannot be stored")
    if messages[-1]["role"] != "user" or not messages[-1]["content"].strip():
        raise LineError("the last turn must be the user's and say something")


class PromptsForm(forms.Form):
    text = forms.CharField(widget=forms.Textarea, max_length=MAX_TEXT, strip=False, label="Prompts")


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def new_prompts(request: MemberRequest, project: Project) -> HttpResponseBase:
    """All lines or none: nothing is half taken in."""
    form = PromptsForm(request.POST or None)
    problems: list[str] = []
    if request.method == "POST" and form.is_valid():
        parsed = parse_lines(form.cleaned_data["text"], project)
        problems = parsed.problems
        known = set(project.prompts.values_list("key", flat=True))
        problems += [f"The key {one.key} is in the project already." for one in parsed.prompts if one.key in known]
        if not problems and parsed.prompts:
            with transaction.atomic():
                Prompt.objects.bulk_create(parsed.prompts)
                record_audit(actor=request.user, action="prompts.added", project=project, count=len(parsed.prompts))
            messages.success(request, f"{len(parsed.prompts):,} prompts are in. Let a model answer them next.")
            return redirect("launch", slug=project.slug, kind="sample")
        problems = problems or ["There is no prompt in the text. Write one a line."]
    status = 422 if problems or form.errors else 200
    context = {"project": project, "form": form, "problems": problems[:20], "more": max(len(problems) - 20, 0)}
    return render(request, "annotate/prompts_new.html", context, status=status)


class TasksForm(forms.Form):
    pairs = forms.IntegerField(
        min_value=1, max_value=100, initial=3, label="Pairs a prompt", help_text="drawn from all pairs of its answers"
    )
    wanted = forms.IntegerField(
        min_value=1, max_value=50, initial=1, label="Raters a pair", help_text="two or more show how far they agree"
    )
    against = forms.CharField(
        required=False, label="Compare with", help_text="another sample run; empty compares the run with itself"
    )


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def new_tasks(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    """From the responses of a sample run to pairs for people."""
    run = sample_run(project, name)
    others = project.jobs.filter(kind="sample", status=Job.Status.SUCCEEDED).exclude(pk=run.pk).order_by("-pk")
    form = TasksForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        against = form.cleaned_data["against"]
        other = sample_run(project, against) if against else None
        made = make_tasks(run, other, pairs=form.cleaned_data["pairs"], wanted=form.cleaned_data["wanted"])
        if made:
            record_audit(actor=request.user, action="tasks.made", project=project, target=run.name, count=made)
            messages.success(request, f"{made:,} pairs wait for raters.")
            return redirect("annotate", slug=project.slug)
        form.add_error(None, "No new pair comes out: each prompt needs two different answers that were not paired yet.")
    status = 422 if form.errors else 200
    context = {"project": project, "run": run, "others": others, "form": form}
    return render(request, "annotate/tasks_new.html", context, status=status)


def sample_run(project: Project, name: str) -> Job:
    return get_object_or_404(Job, project=project, name=name, kind="sample", status=Job.Status.SUCCEEDED)


@transaction.atomic
def make_tasks(run: Job, other: Job | None, *, pairs: int, wanted: int) -> int:
    """New tasks of pairs that no task holds yet, the same ones however often it is asked; returns how many."""
    # One at a time a project: two clicks would draw the same pairs.
    Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
    paired = {
        frozenset(row.response_id for row in task.task_responses.all())
        for task in Task.objects.filter(project_id=run.project_id).prefetch_related("task_responses")
    }
    made = 0
    first = answers_by_prompt(run)
    second = answers_by_prompt(other) if other else first
    for prompt_id, mine in first.items():
        theirs = second.get(prompt_id, [])
        possible = itertools.product(mine, theirs) if other else itertools.combinations(mine, 2)
        fresh = [
            pair
            for pair in possible
            if pair[0].text.strip() != pair[1].text.strip() and frozenset(one.pk for one in pair) not in paired
        ]
        draw = random.Random(f"{run.pk}:{prompt_id}")
        for pair in draw.sample(fresh, min(pairs, len(fresh))):
            shown = pair if draw.random() < 0.5 else pair[::-1]
            services.create_task(prompt=pair[0].prompt, responses=shown, wanted=wanted)
            made += 1
    return made


def answers_by_prompt(run: Job) -> dict[int, list[Response]]:
    found: dict[int, list[Response]] = {}
    for response in Response.objects.filter(job=run).select_related("prompt").order_by("prompt__key", "pk"):
        found.setdefault(response.prompt_id, []).append(response)
    return found
