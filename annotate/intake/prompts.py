"""Prompts in, a line each, with their pictures, and with responses and known answers where there are some already."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from annotate.intake.collection import Number
from annotate.intake.images import ImageError
from annotate.intake.task_making import PLAIN, Recipe, chosen_protocol, distinct, protocols_of, sizes_of, steps_asked
from annotate.models import Image, Prompt, Protocol, Response, Task
from registry.models import ModelVersion

MAX_TEXT = 5_000_000
MAX_RESPONSES = 12
ROLES = ("system", "user", "assistant")
IMPORTED = "imported"
"""`Response.setting` of responses that came with their prompt."""


class LineError(ValueError):
    """One line that cannot be taken in; the message says why."""


@dataclass(frozen=True)
class Line:
    """A checked line."""

    number: int
    prompt: Prompt
    responses: Sequence[str] = ()
    models: Sequence[str] = ()
    """Who wrote each response; as many as responses, or none."""
    image: str = ""
    """sha256 or file name."""
    image_description: str = ""
    purpose: str = Task.Purpose.WORK
    gold: Mapping[str, Any] | None = None


@dataclass
class Parsed:
    lines: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Taken:
    """How much was taken in."""

    prompts: int
    responses: int
    tasks: int


# --- Lines --------------------------------------------------------------------------------------------------


def parse_lines(text: str, project: Project) -> Parsed:
    """A prompt a line: plain text, or a JSON object.

    {prompt | messages, key, lang, tags, image, image_description, responses, models, purpose, gold}
    """
    found, keys = Parsed(), set[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            one = parse_line(line, project, number)
            if one.prompt.key in keys:
                raise LineError(f"the key {one.prompt.key} was used on an earlier line")
        except LineError as error:
            found.problems.append(f"Line {number}: {error}.")
        else:
            keys.add(one.prompt.key)
            found.lines.append(one)
    return found


def parse_line(line: str, project: Project, number: int) -> Line:
    if "\x00" in line:
        raise LineError("it holds a NUL character, which cannot be stored")
    row: Any = {"prompt": line.strip()}
    if line.lstrip().startswith("{"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LineError(f"it is not valid JSON: {str(error)[:120]}") from error
    check_storable(row)
    responses, models = parse_responses(row)
    purpose, gold = parse_gold(row)
    return Line(
        number=number, prompt=parse_prompt(row, project, number), responses=responses, models=models,
        image=text_of(row, "image", 255), image_description=text_of(row, "image_description", 4_000),
        purpose=purpose, gold=gold,
    )  # fmt: skip


def check_storable(row: Any) -> None:
    """PostgreSQL stores no NUL, and no half of a surrogate pair, which JSON can hide as escapes."""
    try:
        words = json.dumps(row, ensure_ascii=False)
        words.encode()
    except (ValueError, RecursionError) as error:
        raise LineError("it holds half of a character (a lone surrogate), which cannot be stored") from error
    if "\\u0000" in words.replace("\\\\", ""):
        raise LineError("it holds a NUL character, which cannot be stored")


def parse_prompt(row: Mapping[str, Any], project: Project, number: int) -> Prompt:
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
    if messages[-1]["role"] != "user" or not messages[-1]["content"].strip():
        raise LineError("the last turn must be the user's and say something")


def parse_responses(row: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    responses, models = row.get("responses", []), row.get("models", [])
    if not isinstance(responses, list) or not all(isinstance(one, str) and one.strip() for one in responses):
        raise LineError("responses is not a list of texts, or one of them is empty")
    if len(responses) > MAX_RESPONSES:
        raise LineError(f"it has {len(responses)} responses, {MAX_RESPONSES} are allowed")
    if not isinstance(models, list) or not all(isinstance(one, str) and len(one) <= 200 for one in models):
        raise LineError("models is not a list of names")
    if models and len(models) != len(responses):
        raise LineError(f"models names {len(models)} and there are {len(responses)} responses; name one for each")
    return responses, models


def parse_gold(row: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    gold = row.get("gold")
    purpose = row.get("purpose", Task.Purpose.WORK if gold is None else Task.Purpose.GOLD)
    if purpose not in (Task.Purpose.WORK, Task.Purpose.GOLD, Task.Purpose.TEST):
        raise LineError('purpose is "gold" or "test", or is left out')
    if (gold is None) != (purpose == Task.Purpose.WORK):
        raise LineError("gold and test tasks need gold, the known answer, and only they have one")
    if gold is None:
        return purpose, None
    if not isinstance(gold, dict) or set(gold) - {"accept", "explanation"} or "accept" not in gold:
        raise LineError('gold is {"accept": what counts as right, "explanation": why}')
    return purpose, {"accept": gold["accept"], "explanation": text_of(gold, "explanation", 2_000)}


def text_of(row: Mapping[str, Any], name: str, most: int) -> str:
    text = row.get(name, "")
    if not isinstance(text, str) or len(text) > most:
        raise LineError(f"{name} is not a text of at most {most:,} characters")
    return text.strip()


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
    if recipe is None:
        if line.gold is not None:
            raise LineError("it has a known answer, and no tasks are made. Choose what is asked")
        return
    if not line.responses:
        if line.gold is not None:
            raise LineError("it has a known answer and no responses")
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
        if recipe and responses:
            recipe.create(responses, line.prompt, purpose=line.purpose, gold=line.gold)
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


class PromptsForm(forms.Form):
    text = forms.CharField(
        widget=forms.Textarea, max_length=MAX_TEXT, strip=False,
        error_messages={"required": "There is no prompt in the text. Write one a line."},
    )  # fmt: skip
    protocol = forms.CharField(required=False)
    wanted = Number(1, 50, required=False, initial=1)

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
        return replace(found, wanted=self.cleaned_data["wanted"] or 1) if found else None


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def new_prompts(request: MemberRequest, project: Project) -> HttpResponseBase:
    """All lines or none: nothing is half taken in."""
    protocols = protocols_of(project)
    form = PromptsForm(request.POST or None, protocols=protocols)
    problems: list[str] = []
    if request.method == "POST" and form.is_valid():
        parsed, recipe = parse_lines(form.cleaned_data["text"], project), form.recipe()
        pictures = Pictures(project, request.FILES.getlist("pictures"))
        problems = parsed.problems + all_problems(project, parsed.lines, pictures, recipe)
        if not problems:
            try:
                taken = take_in(project, parsed.lines, pictures, recipe)
            except ImageError as error:
                problems = [str(error)]
            except IntegrityError:  # a second click, or somebody else, between our look and our insert
                problems = [
                    "The same keys were added a moment ago. Look whether they are in, then mend and send again."
                ]
            else:
                return told(request, project, taken)
    status = 422 if problems or form.errors else 200
    shown = [{"protocol": one, "sizes": sizes_of(steps_asked(one))} for one in protocols]
    context = {
        "project": project, "form": form, "problems": problems[:20], "more": max(len(problems) - 20, 0),
        "has_pictures": bool(request.FILES), "protocols": shown,
    }  # fmt: skip
    return render(request, "annotate/prompts_new.html", context, status=status)


def all_problems(project: Project, lines: Sequence[Line], pictures: Pictures, recipe: Recipe | None) -> list[str]:
    """What stands against taking the lines in, beside what is wrong with a line itself."""
    known = set(project.prompts.values_list("key", flat=True))
    keys = [line.prompt.key for line in lines]
    found = [f"The key {key} is in the project already." for key in keys if key in known]
    found += pictures.check(lines) + task_problems(lines, recipe)
    if recipe and lines and not any(line.responses for line in lines):
        found.append("No line has responses, so no task can be made. Add responses, or choose “no tasks yet”.")
    return found if lines else [*found, "There is no prompt in the text. Write one a line."]


def told(request: MemberRequest, project: Project, taken: Taken) -> HttpResponseBase:
    """Say what came of it, and go on to what is next."""
    more: Any = {name: count for name, count in (("responses", taken.responses), ("tasks", taken.tasks)) if count}
    record_audit(actor=request.user, action="prompts.added", project=project, count=taken.prompts, **more)
    if not taken.tasks:
        with_responses = f" with {taken.responses:,} responses" if taken.responses else ""
        messages.success(request, f"{taken.prompts:,} prompts are in{with_responses}. Let a model answer them next.")
        return redirect("launch", slug=project.slug, kind="sample")
    words = "1 task waits" if taken.tasks == 1 else f"{taken.tasks:,} tasks wait"
    messages.success(request, f"{taken.prompts:,} prompts are in, and {words} for raters.")
    return redirect("annotate", slug=project.slug)
