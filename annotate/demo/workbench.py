"""The demo's second project: a few items of every kind of feedback, to be tried out. Nothing is made twice."""

import io
from pathlib import Path
from typing import Any

import yaml
from django.db import transaction
from PIL import Image as Picture
from PIL import ImageDraw

from accounts.models import Membership, Project
from annotate import services
from annotate.demo import seed
from annotate.design.rubrics import READY
from annotate.intake import images
from annotate.models import Collection, Image, Prompt, Protocol, Response, Rubric, Task

SLUG = "workbench"
ITEMS = Path(__file__).parent / "workbench.yaml"
OVERLAP = 3
GUIDELINES = """Each item here asks for another kind of feedback. Press **?** for the keys of the one on screen.

Try to break it: go back with **u**, close the tab in the middle, pull the plug of the network. Nothing is lost.
"""
RAIN_MM = {"Jan": 96, "Feb": 88, "Mar": 84, "Apr": 71, "May": 48, "Jun": 20, "Jul": 27, "Aug": 39, "Sep": 82,
           "Oct": 140, "Nov": 121, "Dec": 104}  # fmt: skip
PROTOCOLS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "compare": ("Compare", [{"kind": "pairwise"}]),
    "compare-dimensions": (
        "Compare, also by dimension",
        [
            {
                "kind": "pairwise",
                "options": {
                    "dimensions": ["Helpful", "Harmless"],
                    "reasons": ["more exact", "safer", "shorter", "better tone"],
                },
            }
        ],
    ),
    "rank-four": ("Rank the best three of four", [{"kind": "ranking", "options": {"places": 3}}]),
    "menlo": (
        "Rate with MENLO",
        [{"kind": "rubric", "options": {"rubric": READY["menlo"].model_dump(), "name": "menlo", "version": 1}}],
    ),
    "critique": ("Critique", [{"kind": "critique"}]),
    "edit": ("Edit", [{"kind": "edit", "question": "Make it a message that you would send."}]),
    "select": ("Select", [{"kind": "selection", "question": "Which reasons hold?"}]),
    "compare-critique-edit": (
        "Compare, critique the loser, edit the winner",
        [
            {"kind": "pairwise"},
            {"kind": "critique", "of": "loser", "question": "What is wrong with the worse one?"},
            {"kind": "edit", "of": "winner", "question": "Make the better one as good as you can."},
        ],
    ),
    "talk": ("Talk to the model", [{"kind": "chat", "options": {"models": [seed.BASE], "max_new_tokens": 80}}]),
}


@transaction.atomic
def make() -> Project:
    """The project with its protocols and tasks, for the people of the demo."""
    project, made = Project.objects.get_or_create(
        slug=SLUG,
        defaults={
            "name": "Workbench",
            "description": "One or two items of every kind of feedback, to try.",
            "guidelines": GUIDELINES,
        },
    )
    if not made:
        return project
    for username, name, role in seed.PEOPLE:
        Membership.objects.get_or_create(project=project, user=seed.person(username, name), defaults={"role": role})
    Collection.objects.create(project=project, daily_goal=10)
    seed.base_model(project)
    menlo = READY["menlo"]
    dimensions = [one.model_dump() for one in menlo.dimensions]
    Rubric.objects.create(project=project, name="menlo", title=menlo.title, dimensions=dimensions)
    protocols = {
        name: Protocol.objects.create(project=project, name=name, title=title, steps=steps)
        for name, (title, steps) in PROTOCOLS.items()
    }
    pictures = {"rain": rain_chart(project)}
    for item in yaml.safe_load(ITEMS.read_text(encoding="utf-8")):
        make_task(project, item, protocols[item["protocol"]], pictures.get(item.get("image", "")))
    return project


def make_task(project: Project, item: dict[str, Any], protocol: Protocol, image: Image | None) -> Task:
    prompt = make_prompt(project, item["key"], item["messages"], item, image)
    prompts = [prompt] * len(item.get("responses", []))
    if item.get("two_prompts"):
        prompts[1] = make_prompt(project, f"{item['key']}-b", item["other_messages"], item, None)
    responses = [
        Response.objects.create(prompt=of, text=text.strip(), setting="written by hand", sample=number)
        for number, (of, text) in enumerate(zip(prompts, item.get("responses", []), strict=True))
    ]
    return services.create_task(
        prompt=prompt, responses=responses, protocol=protocol, wanted=OVERLAP, priority=item["priority"],
        criterion=item.get("criterion", ""),
    )  # fmt: skip


def make_prompt(project: Project, key: str, messages: list[Any], item: dict[str, Any], image: Image | None) -> Prompt:
    return Prompt.objects.create(
        project=project, key=key, messages=messages, lang=item.get("lang", "en"), tags=item.get("tags", []), image=image
    )


def rain_chart(project: Project) -> Image:
    """A bar chart of made-up rainfall, drawn here so that no picture has to be shipped."""
    width, height, base = 960, 540, 470
    picture = Picture.new("RGB", (width, height), "#fbfaf8")
    draw = ImageDraw.Draw(picture)
    draw.text((60, 24), "Rain a month, in mm", fill="#3a3a3a", font_size=24)
    for level in (50, 100, 150):
        draw.line([(60, base - level * 2.6), (920, base - level * 2.6)], fill="#dedbd5")
        draw.text((18, base - level * 2.6 - 9), str(level), fill="#77736c", font_size=16)
    for number, (month, rain) in enumerate(RAIN_MM.items()):
        left = 74 + number * 71
        draw.rectangle([(left, base - rain * 2.6), (left + 46, base)], fill="#3d6ea5")
        draw.text((left + 4, base + 14), month, fill="#3a3a3a", font_size=18)
    draw.line([(60, base), (920, base)], fill="#3a3a3a", width=2)
    file = io.BytesIO()
    picture.save(file, "PNG")
    values = ", ".join(f"{month} {rain}" for month, rain in RAIN_MM.items())
    return images.keep(project, file.getvalue(), description=f"A bar chart of rain a month in millimetres: {values}.")
