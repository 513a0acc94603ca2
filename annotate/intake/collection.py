"""The page Collection, how tasks are given out: the order of the queue, gold tasks, the qualification test, goals."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import Project, record_audit
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from annotate import sampling
from annotate.desk.queue import rules_of
from annotate.models import Collection, Task
from annotate.sampling import SAMPLERS, Sampler, placing
from registry import jobs
from registry.models import Job

AT_ONCE = 20_000
"""So many tasks are put in order while the person waits (about a second); more are left to a job."""
SETTINGS = (
    "sampler", "match_languages", "gold_rate", "gold_feedback", "test_tasks", "test_right", "daily_goal",
    "settle_below",
)  # fmt: skip


class Number(forms.FloatField):
    """A number, or its absence, in words that fit both; `whole` refuses fractions."""

    def __init__(self, low: int, high: int, *, whole: bool = True, unit: str = "", **kwargs: Any) -> None:
        self.low, self.high, self.whole, self.unit = low, high, whole, unit
        super().__init__(**kwargs)

    def clean(self, value: Any) -> Any:
        sentence = f"Write a {'whole ' * self.whole}number from {self.low:,} to {self.high:,}{self.unit}."
        try:
            number = super().clean(value)
        except forms.ValidationError as error:
            raise forms.ValidationError(sentence) from error
        if number is None:
            return None
        if not self.low <= number <= self.high or (self.whole and number != int(number)):
            raise forms.ValidationError(sentence)
        return int(number) if self.whole else number


class CollectionForm(forms.Form):
    """What can be set. Shares are percent here and of one in the database."""

    sampler = forms.ChoiceField(
        choices=[(slug, one.title) for slug, one in SAMPLERS.items()],
        error_messages={
            "invalid_choice": "There is no such order. Choose one of these.", "required": "Choose one of these orders."
        },
    )  # fmt: skip
    match_languages = forms.BooleanField(required=False)
    gold_percent = Number(0, 50, whole=False, unit=" percent")
    gold_feedback = forms.BooleanField(required=False)
    test_tasks = Number(0, 100)
    test_right = Number(0, 100)
    daily_goal = Number(1, 10_000, required=False, unit=", or nothing for no goal")
    settle_percent = Number(0, 100, whole=False, unit=" percent")

    def __init__(self, *args: Any, known_tests: int = 0, **kwargs: Any) -> None:
        self.known_tests = known_tests
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        tasks, right = values.get("test_tasks"), values.get("test_right")
        if tasks is not None and tasks > self.known_tests:
            there = {0: "is no test task", 1: "is 1 test task"}.get(
                self.known_tests, f"are {self.known_tests:,} test tasks"
            )
            self.add_error("test_tasks", f"There {there} in the project. Make more first, or ask for fewer.")
        if tasks is not None and right is not None and right > tasks:
            self.add_error("test_right", f"Nobody can have {right} right in a test of {tasks}.")
        return values

    def apply(self, collection: Collection) -> dict[str, list[Any]]:
        """Set what was chosen; returns {setting: [before, after]} of what differs."""
        chosen = dict(self.cleaned_data)
        # Rounded: 7 percent is 0.07, not 0.07000000000000001.
        chosen["gold_rate"] = round(chosen.pop("gold_percent") / 100, 6)
        chosen["settle_below"] = round(chosen.pop("settle_percent") / 100, 6)
        changed = {}
        for name in SETTINGS:
            before = getattr(collection, name)
            if before != chosen[name]:
                changed[name] = [before, chosen[name]]
                setattr(collection, name, chosen[name])
        return changed


def shown(collection: Collection) -> dict[str, Any]:
    """The settings as the form shows them."""
    values = {name: getattr(collection, name) for name in SETTINGS}
    values["sampler"] = values["sampler"] if values["sampler"] in SAMPLERS else sampling.DEFAULT.slug
    values["gold_percent"] = f"{100 * values.pop('gold_rate'):.4g}"
    values["settle_percent"] = f"{100 * values.pop('settle_below'):.4g}"
    values["daily_goal"] = values["daily_goal"] or ""
    return values


@dataclass(frozen=True)
class Choice:
    """One sampler as the page offers it."""

    sampler: Sampler
    state: str
    """Of how many tasks it knows something, and where from."""
    kind: str = ""
    act: str = ""
    """The job that makes what is missing, and the words of the link to it; empty where nothing is missing."""


def choice_of(sampler: Sampler, project: Project, span: placing.Span) -> Choice:
    ready = sampler.readiness(project, span)
    if ready is None:
        return Choice(sampler, "")
    if not ready.tasks:
        return Choice(sampler, "No task is open.")
    about = "" if ready.exact else "About "
    state = f"{about}{ready.known:,} of {ready.tasks:,} open tasks {sampler.needs}. {ready.source}".strip()
    if ready.known >= ready.tasks or sampler.supply is None:
        return Choice(sampler, state)
    return Choice(sampler, state, *sampler.supply(project))


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def collection(request: MemberRequest, project: Project) -> HttpResponseBase:
    if request.method == "POST" and "order" in request.POST:
        record_audit(actor=request.user, action="queue.ordered", project=project)
        put_in_order(request, project)
        return redirect("collection", slug=project.slug)
    with_answer = Task.objects.filter(project=project, flagged=False)
    gold, tests = (with_answer.filter(purpose=one).count() for one in (Task.Purpose.GOLD, Task.Purpose.TEST))
    form = CollectionForm(request.POST or None, initial=shown(rules_of(project)), known_tests=tests)
    if request.method == "POST" and form.is_valid():
        changed = save(request, project, form)
        if not changed:
            messages.info(request, "Nothing was changed.")
        else:
            messages.success(request, "Saved.")
        if "sampler" in changed:
            put_in_order(request, project)
        return redirect("collection", slug=project.slug)
    span = placing.span_of(project)
    context = {
        "project": project, "form": form, "gold": gold, "tests": tests,
        "choices": [choice_of(one, project, span) for one in SAMPLERS.values()],
        "waiting": span.total, "placing": unfinished(project),
    }  # fmt: skip
    return render(request, "annotate/collection.html", context, status=422 if form.errors else 200)


@transaction.atomic
def save(request: MemberRequest, project: Project, form: CollectionForm) -> dict[str, list[Any]]:
    # One at a time: of two people who save at once, the second sees what the first one changed.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    found = Collection.objects.filter(project=project).first() or Collection(project=project)
    changed = form.apply(found)
    if changed:
        found.save()
        record_audit(actor=request.user, action="collection.changed", project=project, changed=changed)
    return changed


def unfinished(project: Project) -> Job | None:
    """The job that puts this project's queue in order, or will."""
    waiting = Job.objects.filter(project=project, kind="place", status__in=[Job.Status.QUEUED, Job.Status.RUNNING])
    return waiting.order_by("-pk").first()


def put_in_order(request: MemberRequest, project: Project) -> None:
    """At once where it takes about a second, else by a job. Says which."""
    tasks = placing.waiting(project).count()
    if tasks > AT_ONCE:
        job = unfinished(project)
        if job is None or job.status != Job.Status.QUEUED:
            # One that runs may have begun under another order, or with fewer votes.
            job = jobs.request_job(project=project, kind="place", params={}, user=request.user)
        messages.info(request, f"{job.name} puts {tasks:,} tasks in order, which takes minutes. People can go on.")
        return
    try:
        known = sampling.place_queue(project)
    except sampling.Superseded as error:
        messages.warning(request, str(error))
        return
    sampler = sampling.chosen(project)
    if tasks and sampler.known and known < tasks:
        rest = f"Nothing is known yet about {tasks - known:,} of {tasks:,} open tasks; they come last, at random."
        messages.warning(request, f"The queue is in order. {rest}")
    else:
        messages.success(request, f"The queue is in order: {tasks:,} open tasks.")
