"""Prompts in, a line each, with their pictures, and with responses and known answers where there are some already."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import Project, record_audit
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from annotate.design.protocols import ProtocolError, check_count
from annotate.intake import images
from annotate.intake.accepted import problem_with
from annotate.intake.images import ImageError
from annotate.intake.prompt_lines import Line, LineError, parse_lines
from annotate.intake.task_making import (
    PLAIN,
    AskedForm,
    Recipe,
    chosen_protocol,
    distinct,
    protocols_of,
    sizes_of,
    skills_of,
    steps_asked,
)
from annotate.models import Image, Prompt, Protocol, Response
from registry.models import ModelVersion

MAX_TEXT = 5_000_000
IMPORTED = "imported"
"""`Response.setting` of responses that came with their prompt."""
NUMBERED = re.compile(r"prompt-([0-9]{1,12})")
"""Keys of lines that bring none."""
AT_ONCE = 500
"""Prompts that are looked for in one query."""


@dataclass(frozen=True)
class Taken:
    """How much was taken in."""

    prompts: int
    responses: int
    tasks: int


# --- Keys -------------------------------------------------------------------------------------------------------


def give_keys(project: Project, lines: Sequence[Line]) -> None:
    """Number the prompts that have no key, on from the largest number in the project and in the text."""
    known = {*project.prompts.filter(key__startswith="prompt-").values_list("key", flat=True)}
    taken = [NUMBERED.fullmatch(key) for key in known | {line.prompt.key for line in lines}]
    number = max((int(found[1]) for found in taken if found), default=0)
    for line in lines:
        if not line.prompt.key:
            number += 1
            line.prompt.key = f"prompt-{number:05}"


def repeated(project: Project, lines: Sequence[Line], pictures: "Pictures", recipe: Recipe | None) -> Iterator[str]:
    """A sentence for each line without a key that says what another prompt says, with the same responses and picture.

    A key of its own tells two prompts apart; without one, the same text sent again would be a second prompt.
    """
    fresh = [line for line in lines if not line.prompt.key]
    known: dict[Content, str] = {}
    for start in range(0, len(fresh), AT_ONCE):
        wanted = [line.prompt.messages for line in fresh[start : start + AT_ONCE]]
        found = project.prompts.filter(origin=Prompt.Origin.GIVEN, messages__in=wanted).select_related("image")
        for prompt in found.prefetch_related("responses"):
            image = prompt.image.sha256 if prompt.image else ""
            given = [one.text for one in prompt.responses.all() if one.setting == IMPORTED]
            where = f"in the project already, as {prompt.key}"
            known |= {content(prompt, image, given): where, content(prompt, image): where}
    for line in lines:
        texts = responses_of(line, recipe) if recipe else line.responses
        mine = content(line.prompt, pictures.digest(line), texts)
        if line.prompt.key:
            continue
        if mine in known:
            yield f"Line {line.number}: the same is {known[mine]}. Leave it out, or give it a key of its own."
        known.setdefault(mine, f"on line {line.number}")


Content = tuple[str, str, tuple[str, ...]]


def content(prompt: Prompt, image: str, responses: Sequence[str] = ()) -> Content:
    turns = json.dumps([[one["role"], one["content"]] for one in prompt.messages])
    return turns, image, tuple(sorted(responses))


# --- What the lines need together ---------------------------------------------------------------------------


def task_problems(lines: Iterable[Line], recipe: Recipe | None) -> list[str]:
    """Why a line cannot become a task, a sentence each."""
    found = []
    for line in lines:
        try:
            check_task(line, recipe)
        except LineError as error:
            found.append(f"Line {line.number}: {error}.")
    return found


def check_task(line: Line, recipe: Recipe | None) -> None:
    said = "a known answer" if line.gold is not None else next(iter(line.asked), "")
    if recipe is None:
        if said:
            raise LineError(f"it has {said}, and no tasks are made. Choose what is asked")
        return
    check_raters(line, recipe)
    if recipe.is_chat:
        if line.responses or line.gold is not None:
            what = "responses" if line.responses else "a known answer"
            raise LineError(f"it has {what}, and a chat takes none: they come with its turns")
        return
    if not line.responses:
        if said:
            raise LineError(f"it has {said} and no responses, so no task is made of it")
        return
    kept = responses_of(line, recipe)
    if len(kept) < len(line.responses) and line.gold is not None:
        raise LineError("two candidates are the same or one is too short, so positions in gold would be unclear")
    if len({one.strip() for one in kept}) < len(kept):
        raise LineError("two of its responses are the same")
    for step in recipe.steps:
        try:
            check_count(step, len(kept))
        except ProtocolError as error:
            raise LineError(str(error).rstrip(".")) from error
    if line.gold is not None and (wrong := problem_with(line.gold["accept"], recipe.steps, responses=len(kept))):
        raise LineError(f"gold: {wrong}")


def check_raters(line: Line, recipe: Recipe) -> None:
    mine = recipe.said_by(line.asked)
    if mine.ceiling is not None and mine.ceiling < mine.wanted:
        raise LineError(f"ceiling is {mine.ceiling}, less than the {mine.wanted} raters that are asked in any case")


def responses_of(line: Line, recipe: Recipe) -> list[str]:
    """What is shown: all, or for a selection those that differ."""
    if not any(step.kind.slug == "selection" for step in recipe.steps):
        return list(line.responses)
    return [one.text for one in distinct([Response(text=text) for text in line.responses])]


class Pictures:
    """The files that came along, by name and by content."""

    def __init__(self, project: Project, files: Sequence[UploadedFile]) -> None:
        self.project = project
        self.files: dict[str, UploadedFile] = {}
        self.kept: dict[str, Image] = {one.sha256: one for one in Image.objects.filter(project=project)}
        self.problems: list[str] = []
        for file in files:
            name = str(file.name)
            if name in self.files:
                self.problems.append(f"Two pictures have the name {name}. Rename one of them.")
            self.files[name] = file
        self.names = {digest_of(file): name for name, file in self.files.items()}

    def check(self, lines: Iterable[Line]) -> list[str]:
        named = {self.names.get(line.image, line.image) for line in lines}
        missing = [
            f"Line {line.number}: there is no picture {line.image}. Add the file to the form, or mend the name."
            for line in lines
            if line.image and line.image not in self.files | self.names | self.kept
        ]
        spare = [f"No line names the picture {name}. Name it, or leave it out." for name in self.files.keys() - named]
        return [*self.problems, *missing, *sorted(spare)]

    def digest(self, line: Line) -> str:
        """sha256 of the picture of a line; "" where it has none."""
        return next((digest for digest, name in self.names.items() if name == line.image), line.image)

    def of(self, line: Line) -> Image | None:
        """Keep the picture of a line. Raises ImageError."""
        if not line.image:
            return None
        name = self.names.get(line.image, line.image)
        if name in self.files and name not in self.kept:
            file = self.files[name]
            if (file.size or 0) > images.MAX_BYTES:
                raise ImageError(f"{name} has {(file.size or 0) / 1e6:.1f} MB, 8 MB are allowed. Scale it.")
            file.seek(0)
            self.kept[name] = images.keep(self.project, file.read(), name=name, description=line.image_description)
        image = self.kept[name]
        if line.image_description and not image.description:
            image.description = line.image_description
            image.save(update_fields=["description"])
        return image


def digest_of(file: UploadedFile) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return digest.hexdigest()


@transaction.atomic
def take_in(project: Project, lines: Sequence[Line], pictures: Pictures, recipe: Recipe | None) -> Taken:
    """All lines or none. Raises ImageError."""
    for line in lines:
        line.prompt.image = pictures.of(line)
    Prompt.objects.bulk_create([line.prompt for line in lines])
    names = {name for line in lines for name in line.models}
    models = {one.name: one for one in ModelVersion.objects.filter(project=project, name__in=names)}
    made = [imported(line, models, recipe) for line in lines]
    Response.objects.bulk_create([one for responses in made for one in responses])
    tasks = 0
    for line, responses in zip(lines, made, strict=True):
        if recipe and (responses or recipe.is_chat):
            recipe.said_by(line.asked).create(responses, line.prompt, purpose=line.purpose, gold=line.gold)
            tasks += 1
    return Taken(len(lines), sum(len(responses) for responses in made), tasks)


def imported(line: Line, models: Mapping[str, ModelVersion], recipe: Recipe | None) -> list[Response]:
    texts = responses_of(line, recipe) if recipe else line.responses
    found = []
    for number, text in enumerate(texts):
        name = line.models[line.responses.index(text)] if line.models else ""
        found.append(
            Response(
                prompt=line.prompt, text=text, setting=IMPORTED, sample=number, model=models.get(name),
                decoding={"model": name} if name and name not in models else {},
            )
        )  # fmt: skip
    return found


# --- The page -----------------------------------------------------------------------------------------------


class PromptsForm(AskedForm):
    text = forms.CharField(
        widget=forms.Textarea, max_length=MAX_TEXT, strip=False,
        error_messages={"required": "There is no prompt in the text. Write one a line."},
    )  # fmt: skip
    protocol = forms.CharField(required=False)

    def __init__(self, *args: Any, protocols: Sequence[Protocol], **kwargs: Any) -> None:
        self.protocols = {str(one.pk): one for one in protocols}
        super().__init__(*args, **kwargs)

    def clean_protocol(self) -> Recipe | None:
        name = self.cleaned_data["protocol"]
        if not name:
            return None
        return Recipe(protocol=None if name == PLAIN else chosen_protocol(self.protocols, name))

    def recipe(self) -> Recipe | None:
        found: Recipe | None = self.cleaned_data["protocol"]
        return replace(found, **self.asked()) if found else None


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def new_prompts(request: MemberRequest, project: Project) -> HttpResponseBase:
    """All lines or none: nothing is half taken in."""
    protocols = protocols_of(project, chats=True)
    form = PromptsForm(request.POST or None, protocols=protocols)
    problems: list[str] = []
    if request.method == "POST" and form.is_valid():
        parsed, recipe = parse_lines(form.cleaned_data["text"], project), form.recipe()
        pictures = Pictures(project, request.FILES.getlist("pictures"))
        problems = parsed.problems + all_problems(project, parsed.lines, pictures, recipe)
        if not problems:
            give_keys(project, parsed.lines)
            try:
                taken = take_in(project, parsed.lines, pictures, recipe)
            except ImageError as error:
                problems = [str(error)]
            except IntegrityError:  # a second click, or somebody else, between our look and our insert
                problems = [
                    "The same keys were added a moment ago, perhaps by a second click. Look whether the prompts are in "
                    "before you send again."
                ]
            else:
                return told(request, project, taken)
    status = 422 if problems or form.errors else 200
    shown = [{"protocol": one, "sizes": sizes_of(steps_asked(one))} for one in protocols]
    context = {
        "project": project, "form": form, "problems": problems[:20], "more": max(len(problems) - 20, 0),
        "has_pictures": bool(request.FILES), "protocols": shown, "skills": skills_of(project),
    }  # fmt: skip
    return render(request, "annotate/prompts_new.html", context, status=status)


def all_problems(project: Project, lines: Sequence[Line], pictures: Pictures, recipe: Recipe | None) -> list[str]:
    """What stands against taking the lines in, beside what is wrong with a line itself."""
    given = {line.prompt.key: line.number for line in lines if line.prompt.key}
    known = project.prompts.filter(key__in=given).values_list("key", flat=True)
    found = [f"Line {given[key]}: the key {key} is in the project already." for key in known]
    found += [*pictures.check(lines), *repeated(project, lines, pictures, recipe), *task_problems(lines, recipe)]
    if recipe and not recipe.is_chat and lines and not any(line.responses for line in lines):
        found.append("No line has responses, so no task can be made. Add responses, or choose “no tasks yet”.")
    return found if lines else [*found, "There is no prompt in the text. Write one a line."]


def told(request: MemberRequest, project: Project, taken: Taken) -> HttpResponseBase:
    """Say what came of it, and go on to what is next."""
    more: Any = {name: count for name, count in (("responses", taken.responses), ("tasks", taken.tasks)) if count}
    record_audit(actor=request.user, action="prompts.added", project=project, count=taken.prompts, **more)
    words = f"{count_of(taken.prompts, 'prompt')} added"
    if taken.responses:
        words += f", with {count_of(taken.responses, 'response')}"
    if taken.tasks:
        waits = "waits" if taken.tasks == 1 else "wait"
        messages.success(request, f"{words}. {count_of(taken.tasks, 'task')} {waits} for raters.")
    elif taken.responses:
        messages.success(request, f"{words}. No tasks were made.")
    else:
        messages.success(request, f"{words}. Let a model answer next.")
        return redirect("launch", slug=project.slug, kind="sample")
    return redirect("project", slug=project.slug)


def count_of(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
