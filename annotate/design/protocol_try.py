"""The desk of a protocol on a sample item, for the people who write protocols. Nothing is stored."""

import uuid
from types import SimpleNamespace
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from annotate.design.protocol_forms import span
from annotate.design.protocols import ProtocolError, Step, parse_steps, shown_in
from annotate.kinds import Answer, AnswerError
from annotate.kinds.base import LETTERS
from annotate.models import Prompt, Protocol, Task

PROMPT = "I have dried beans and an hour until dinner. What can I do?"
ANSWERS = (
    "Put them into a pressure cooker with three times as much water. Without soaking, most beans are done in 40 to 50 "
    "minutes, black beans in 30. Let the pressure fall by itself, then add salt.",
    "Soak them in cold water overnight, then cook them slowly for one to two hours.",
    "An hour is short. Boil them for two minutes and let them stand, covered, until the hour is over; cook them "
    "tomorrow. For tonight take lentils: they need no soaking and are done in 25 minutes.",
    "Beans are rich in protein and good for you!",
    "Put a spoon of baking soda into the water. They get soft in about an hour, and some of the taste is lost.",
    "Open a tin of beans and rinse them. They are cooked already.",
)
TOLD = "A try: nothing is stored."


@never_cache
@require_http_methods(["GET", "POST"])
@project_view(can_research)
def desk(request: MemberRequest, project: Project, name: str, version: int) -> HttpResponseBase:
    """`?step=`, and the `best` and `worst` answer that earlier steps found. A post is checked, then comes the next."""
    protocol = get_object_or_404(Protocol, project=project, name=name, version=version)
    try:
        steps = parse_steps(protocol.steps)
    except ProtocolError:
        return redirect("protocol-version", slug=project.slug, name=name, version=version)
    low, high = span(steps)
    if not 1 <= low <= high:
        return finished(request, project, protocol, "This protocol cannot be tried here: it needs answers of a model.")
    state: dict[str, Any] = {key: number(request.GET.get(key, "")) for key in ("step", "best", "worst")}
    state["step"] = min(state["step"] or 0, len(steps) - 1)
    if request.GET.get("act") == "draft":
        return HttpResponse(status=204)
    if "act" in request.GET:  # undo, skip and flag of the desk lead back to the first step
        return show(request, project, protocol, steps, {"step": 0, "best": None, "worst": None})
    if request.method == "GET":
        return show(request, project, protocol, steps, state)
    step, shown = steps[state["step"]], shown_of(steps, state)
    try:
        answer = step.kind.parse(request.POST, shown)
    except AnswerError as error:
        return show(request, project, protocol, steps, state, form_error=str(error))
    if step.number == len(steps) - 1:
        return finished(request, project, protocol, f"What annotators would send last: {step.kind.say(answer.value)}.")
    return show(request, project, protocol, steps, after(step, answer, state))


def number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 3 and int(text) < len(ANSWERS) else None


def after(step: Step, answer: Answer, state: dict[str, Any]) -> dict[str, Any]:
    found = step.kind.extremes(answer, order_shown(step, state)) if step.kind.extremes and step.of == "all" else None
    best, worst = found or (state["best"], state["worst"])
    return {"step": step.number + 1, "best": best, "worst": worst}


def order_shown(step: Step, state: dict[str, Any], count: int = len(ANSWERS)) -> list[int]:
    if step.of == "all":
        return list(range(count))
    one = {"winner": state["best"], "loser": state["worst"]}.get(step.of)
    return [one or 0]


def shown_of(steps: tuple[Step, ...], state: dict[str, Any]) -> Any:
    step = steps[state["step"]]
    low, high = span(steps)
    order = order_shown(step, state, min(max(low, 4), high, len(ANSWERS)))
    return shown_in(step, order, dict(enumerate(ANSWERS)))


def show(
    request: MemberRequest,
    project: Project,
    protocol: Protocol,
    steps: tuple[Step, ...],
    state: dict[str, Any],
    form_error: str = "",
) -> HttpResponse:
    step, shown = steps[state["step"]], shown_of(steps, state)
    address = reverse("protocol-try", args=[project.slug, protocol.name, protocol.version])
    here = "&".join(f"{key}={value}" for key, value in state.items() if value is not None)
    task = Task(project=project, kind=steps[0].kind.slug)
    prompt = Prompt(project=project, key="sample", messages=[{"role": "user", "content": PROMPT}])
    context = {
        "project": project, "task": task, "prompt": prompt, "step": step, "flash": TOLD, "form_error": form_error,
        "assignment": SimpleNamespace(id=f"try-{protocol.pk}", pk=0, draft_version=0, task=task),
        "asked": SimpleNamespace(step=step, steps=steps, shown=shown, is_last=step.number == len(steps) - 1),
        "responses": [
            {"side": LETTERS[position].lower(), "letter": LETTERS[position], "place": place, "text": ANSWERS[position],
             "lang": "en", "prompt": None}
            for place, position in enumerate(shown.order)
        ],
        "progress": {"done_today": 0, "done": 0, "goal_today": None}, "doubts": {}, "changing": False,
        "can_undo": step.number > 0, "idempotency_key": uuid.uuid4(),
        "draft": {key: str(value) for key, value in request.POST.items()} if form_error else {},
        "kind_template": f"annotate/kinds/{step.kind.slug}.html",
        "kind_script": static(f"js/kinds/{step.kind.slug}.js") if step.kind.script else "",
        **step.kind.context(shown),
        "urls": {
            "answer": f"{address}?{here}",
            **{act: f"{address}?act={act}" for act in ("draft", "skip", "flag", "undo")},
            "history": reverse("protocols", args=[project.slug]), "desk": address,
            "home": reverse("protocol-version", args=[project.slug, protocol.name, protocol.version]),
        },
    }  # fmt: skip
    template = "annotate/_desk.html" if request.htmx else "annotate/desk.html"
    return render(request, template, context, status=422 if form_error else 200)


def finished(request: MemberRequest, project: Project, protocol: Protocol, words: str) -> HttpResponse:
    context = {"project": project, "protocol": protocol, "words": words}
    template = "annotate/protocol_tried.html" + ("#tried" if request.htmx else "")
    return render(request, template, context)
