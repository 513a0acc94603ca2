"""From responses to items of every kind, and from lines that bring pictures, responses and known answers."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image as Picture

from accounts.models import AuditEvent, Project, User
from annotate.design.protocols import parse_steps
from annotate.intake import accepted
from annotate.intake.task_making import Recipe, make_tasks, protocols_of, sizes_of, usual_size
from annotate.models import Image, Prompt, Protocol, Response, Task
from registry import jobs
from registry.models import Job
from tests.factories import make_model, make_prompt, make_response

pytestmark = pytest.mark.django_db
PAGE = "/p/helpful/prompts/new/"


def make_protocol(project: Project, *kinds: str, name: str = "", version: int = 1, **options: Any) -> Protocol:
    name = name or "-".join(kinds)
    steps = [{"kind": kind, "options": options if not number else {}} for number, kind in enumerate(kinds)]
    return Protocol.objects.create(project=project, name=name, version=version, title=name.title(), steps=steps)


def sampled(project: Project, user: User, name: str, **answers: Sequence[str]) -> Job:
    """A finished sample run with these responses for each prompt."""
    params = {"model": "base", "split": "all"}
    job = jobs.request_job(project=project, kind="sample", params=params, user=user, name=name)
    Job.objects.filter(pk=job.pk).update(status="succeeded")
    for key, texts in answers.items():
        prompt = Prompt.objects.filter(project=project, key=key).first() or make_prompt(project, key)
        for number, text in enumerate(texts):
            make_response(prompt, text, job=job, sample=number)
    return job


def texts_of(task: Task) -> list[str]:
    return list(task.task_responses.values_list("response__text", flat=True))


def sets_of(project: Project) -> list[frozenset[str]]:
    return [frozenset(texts_of(task)) for task in Task.objects.filter(project=project)]


# --- Sets of responses ---


def test_every_set_of_three_comes_once(project: Project, researcher: User) -> None:
    recipe = Recipe(protocol=make_protocol(project, "ranking"), size=3, items=2)
    run = sampled(project, researcher, "s-1", one=["a.", "b.", "c.", "d."])
    assert [make_tasks(run, None, recipe) for _ in range(3)] == [2, 2, 0]
    assert len(set(sets_of(project))) == 4
    assert {task.task_responses.count() for task in Task.objects.all()} == {3}
    assert make_tasks(run, None, Recipe(size=2, items=100)) == 6, "pairs are another question"


def test_another_criterion_is_another_question(project: Project, researcher: User) -> None:
    run = sampled(project, researcher, "s-1", one=["a.", "b."])
    assert make_tasks(run, None, Recipe()) == 1
    assert make_tasks(run, None, Recipe(criterion="Which is shorter?")) == 1
    assert make_tasks(run, None, Recipe(criterion="Which is shorter?")) == 0
    assert make_tasks(run, None, Recipe(protocol=make_protocol(project, "pairwise"))) == 1


def test_no_set_holds_the_same_text_twice(project: Project, researcher: User) -> None:
    run = sampled(project, researcher, "s-1", one=["a.", "b.", "b. ", "c."], two=["a.", "a.", "a."])
    recipe = Recipe(protocol=make_protocol(project, "ranking"), size=3, items=100)
    assert make_tasks(run, None, recipe) == 2
    assert all(len({text.strip() for text in one}) == 3 for one in sets_of(project))


def test_candidates_are_told_apart_by_more_than_case(project: Project, researcher: User) -> None:
    """ILLUME: short ones and repetitions are dropped, whatever is left is shown."""
    run = sampled(project, researcher, "s-1", one=["Because.", "because. ", "No", "It rains.", "It snows."], two=["ab"])
    recipe = Recipe(protocol=make_protocol(project, "selection"), size=5, items=1)
    assert make_tasks(run, None, recipe) == 1
    assert {text.strip().lower() for text in texts_of(Task.objects.get())} == {"because.", "it rains.", "it snows."}
    assert Task.objects.get().task_responses.count() == 3


def test_of_two_runs_each_item_has_both(project: Project, researcher: User) -> None:
    one = sampled(project, researcher, "s-1", one=["a.", "b.", "c."], two=["x."])
    two = sampled(project, researcher, "s-2", one=["d.", "e."])
    recipe = Recipe(protocol=make_protocol(project, "ranking"), size=3, items=100)
    assert make_tasks(one, two, recipe) == 9, "ten sets of three less the one without d and e"
    assert all(found & {"d.", "e."} and found & {"a.", "b.", "c."} for found in sets_of(project))


def test_very_many_sets_are_drawn_from(project: Project, researcher: User) -> None:
    run = sampled(project, researcher, "s-1", one=[f"{number}." for number in range(60)])
    recipe = Recipe(protocol=make_protocol(project, "ranking"), size=9, items=5)
    assert make_tasks(run, None, recipe) == 5
    assert len(set(sets_of(project))) == 5


def test_one_response_an_item(project: Project, researcher: User) -> None:
    run = sampled(project, researcher, "s-1", one=["a.", "b."], two=["c."])
    recipe = Recipe(protocol=make_protocol(project, "rubric"), size=1, items=5)
    assert make_tasks(run, None, recipe) == 3
    assert make_tasks(run, None, recipe) == 0


def test_pairs_of_different_prompts(project: Project, researcher: User) -> None:
    for key, lang in (("one", "en"), ("two", "en"), ("three", "de"), ("four", "en")):
        make_prompt(project, key, lang=lang)
    run = sampled(project, researcher, "s-1", one=["a.", "b."], two=["c."], three=["d."], four=["e."])
    assert make_tasks(run, None, Recipe(two_prompts=True, items=2)) >= 3
    for task in Task.objects.all():
        prompts = [row.response.prompt for row in task.task_responses.select_related("response__prompt")]
        assert task.two_prompts
        assert prompts[0] == task.prompt != prompts[1]
        assert prompts[0].lang == prompts[1].lang == "en"
    assert len(set(sets_of(project))) == Task.objects.count()


# --- The page ---


def test_the_page_makes_what_is_asked(project: Project, researcher: User, researcher_client: Client) -> None:
    sampled(project, researcher, "s-1", one=["a.", "b.", "c.", "d."])
    old = make_protocol(project, "ranking", name="order")
    new = make_protocol(project, "ranking", name="order", version=2, places=2)
    make_protocol(project, "chat")
    assert protocols_of(project) == [new]
    url = "/p/helpful/runs/s-1/tasks/"
    page = researcher_client.get(url).content.decode()
    assert f'value="{new.pk}"' in page and f'name="protocol" value="{old.pk}"' not in page
    form = {"protocol": new.pk, "pairs": 1, "wanted": 2, "ceiling": 4, "criterion": " Which is kinder? ",
            "skill": "medicine", "priority": 3}  # fmt: skip
    researcher_client.post(url, form)
    task = Task.objects.get()
    assert (task.protocol, task.kind, task.task_responses.count()) == (new, "ranking", 4)
    assert (task.wanted, task.ceiling, task.criterion, task.skill, task.priority) == (
        2, 4, "Which is kinder?", "medicine", 3
    )  # fmt: skip
    assert AuditEvent.objects.filter(action="tasks.made").get().data == {"count": 1}


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({"size": "3"}, "size", "shows 2 responses an item"),
        ({"size": "x"}, "size", "whole number from 1 to 12"),
        ({"wanted": "3", "ceiling": "2"}, "ceiling", "less than the 3"),
        ({"protocol": "999999"}, "protocol", "no such protocol"),
        ({"protocol": "x"}, "protocol", "no such protocol"),
        ({"against": "nothing"}, "against", "no other finished sample run"),
        ({"against": "s-1"}, "against", "no other finished sample run"),
        ({"pairs": ""}, "pairs", "whole number from 1 to 100"),
        ({"skill": "x" * 41}, "skill", "40 characters"),
        ({"priority": "101"}, "priority", "from -100 to 100"),
        ({"protocol": "ranking", "size": "4", "two_prompts": "on"}, "size", "items of 2 responses"),
        ({"protocol": "ranking", "size": "10"}, "size", "shows 2 to 9 responses"),
    ],
)
def test_what_does_not_fit_is_told_beside_its_field(
    project: Project, researcher: User, researcher_client: Client, data: dict[str, str], field: str, words: str
) -> None:
    sampled(project, researcher, "s-1", one=["a.", "b."])
    if data.get("protocol") == "ranking":
        data = {**data, "protocol": str(make_protocol(project, "ranking").pk)}
    answer = researcher_client.post("/p/helpful/runs/s-1/tasks/", {"pairs": "1", "wanted": "1", **data})
    assert answer.status_code == 422
    assert words in " ".join(answer.context["form"].errors[field])
    assert f'id="e-{field}"' in answer.content.decode()
    assert not Task.objects.exists()


def test_why_nothing_came_out(project: Project, researcher: User, researcher_client: Client) -> None:
    sampled(project, researcher, "s-1", one=["a.", "b."])
    protocol = make_protocol(project, "ranking")
    form = {"protocol": protocol.pk, "size": "4", "pairs": "1", "wanted": "1"}
    page = researcher_client.post("/p/helpful/runs/s-1/tasks/", form).content.decode()
    assert "each prompt needs 4 different responses" in page
    form = {"pairs": "1", "wanted": "1", "two_prompts": "on"}
    assert (
        "two prompts of the same language"
        in researcher_client.post("/p/helpful/runs/s-1/tasks/", form).content.decode()
    )


def test_sizes() -> None:
    def sizes(*steps: dict[str, Any]) -> Any:
        parsed = parse_steps(list(steps))
        return (*sizes_of(parsed), usual_size(parsed))

    assert sizes({"kind": "pairwise"}) == (2, 2, 2)
    assert sizes({"kind": "ranking"}) == (2, 9, 4)
    assert sizes({"kind": "rubric"}) == (1, 2, 2)
    assert sizes({"kind": "critique"}) == (1, 1, 1)
    assert sizes({"kind": "selection"}) == (1, 12, 5)
    assert sizes({"kind": "ranking"}, {"kind": "rubric", "of": "winner"}) == (2, 9, 4)
    assert sizes({"kind": "pairwise"}, {"kind": "selection"}) == (2, 2, 2)


# --- Lines that bring more ---


def add(client: Client, *lines: Any, pictures: Sequence[SimpleUploadedFile] = (), **fields: Any) -> Any:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return client.post(PAGE, {"text": text, "pictures": list(pictures), **fields})


def problems(answer: Any) -> str:
    assert answer.status_code == 422
    assert not Prompt.objects.exists() and not Task.objects.exists() and not Response.objects.exists()
    return " ".join(answer.context["problems"])


def picture(name: str, colour: str = "red") -> SimpleUploadedFile:
    drawn = io.BytesIO()
    Picture.new("RGB", (8, 6), colour).save(drawn, "PNG")
    return SimpleUploadedFile(name, drawn.getvalue(), "image/png")


@pytest.fixture
def home(settings: Any, tmp_path: Path) -> Path:
    settings.HOME = tmp_path
    return tmp_path


def test_responses_become_tasks_without_a_model(project: Project, researcher_client: Client) -> None:
    make_model(project, "base")
    add(
        researcher_client,
        {"prompt": "One?", "key": "one", "responses": ["a.", "b."], "models": ["base", "somebody"]},
        {"prompt": "Two?", "key": "two", "responses": ["c.", "d."]},
        "Three?",
        protocol="pairwise",
        wanted="2",
    )
    assert (Prompt.objects.count(), Response.objects.count(), Task.objects.count()) == (3, 4, 2)
    task = Task.objects.get(prompt__key="one")
    assert (texts_of(task), task.wanted, task.purpose) == (["a.", "b."], 2, "work")
    first, second = task.task_responses.select_related("response__model")
    assert (first.response.setting, first.response.job, str(first.response.model.name)) == ("imported", None, "base")
    assert (second.response.model, second.response.decoding) == (None, {"model": "somebody"})
    assert AuditEvent.objects.get().data == {"count": 3, "responses": 4, "tasks": 2}


def test_who_answers_is_said_by_the_form_and_by_lines(project: Project, researcher_client: Client) -> None:
    two = {"responses": ["a.", "b."]}
    line = {"skill": "maths", "priority": 5, "criterion": "Which is exact?", "wanted": 2, "ceiling": 4}
    answer = add(
        researcher_client, {"prompt": "One?", "key": "one", **two}, {"prompt": "Two?", "key": "two", **two, **line},
        protocol="pairwise", wanted="3", ceiling="5", skill="law", priority="1", criterion="Which is kind?",
    )  # fmt: skip
    assert answer.headers["Location"] == "/p/helpful/"
    assert "2 prompts added, with 4 responses. 2 tasks wait for raters." in (
        researcher_client.get("/p/helpful/").content.decode()
    )
    said = Task.objects.values("wanted", "ceiling", "skill", "priority", "criterion")
    form = {"wanted": 3, "ceiling": 5, "skill": "law", "priority": 1, "criterion": "Which is kind?"}
    assert (said.get(prompt__key="one"), said.get(prompt__key="two")) == (form, line)


def test_a_chat_needs_no_responses(project: Project, researcher_client: Client) -> None:
    protocol = make_protocol(project, "chat")
    assert f'value="{protocol.pk}"' in researcher_client.get(PAGE).content.decode()
    brings = {"prompt": "Two?", "responses": ["a.", "b."]}
    assert "a chat takes none" in problems(add(researcher_client, brings, protocol=protocol.pk))
    add(researcher_client, "Ask about beans.", {"prompt": "Ask about rice.", "wanted": 2}, protocol=protocol.pk)
    assert list(Task.objects.order_by("pk").values_list("kind", "wanted")) == [("chat", 1), ("chat", 2)]
    assert not Response.objects.exists()


@pytest.mark.parametrize("name", ["wanted", "ceiling", "priority", "skill", "criterion"])
def test_what_a_line_says_of_its_task_is_checked(project: Project, researcher_client: Client, name: str) -> None:
    line = {"prompt": "One?", "responses": ["a.", "b."]}
    for value in (True, 1.5, [], "x" * 1_001, 1_000):
        assert f"Line 1: {name} is" in problems(add(researcher_client, {**line, name: value}, protocol="pairwise"))
    assert f"it has {name}, and no tasks are made" in problems(
        add(researcher_client, {**line, name: "a" if name in {"skill", "criterion"} else 1})
    )
    assert "less than the 3 raters" in problems(
        add(researcher_client, {**line, "wanted": 3, "ceiling": 2}, protocol="pairwise")
    )


def test_responses_alone_are_kept(project: Project, researcher_client: Client) -> None:
    answer = add(researcher_client, {"prompt": "One?", "responses": ["a.", "b.", "c."]})
    assert answer.status_code == 302
    assert (Response.objects.count(), Task.objects.count()) == (3, 0)


def test_candidates_of_lines_are_told_apart_too(project: Project, researcher_client: Client) -> None:
    protocol = make_protocol(project, "selection")
    line = {"prompt": "?", "responses": ["It rains.", "IT RAINS.", "ab", "It snows."], "models": ["w", "x", "y", "z"]}
    add(researcher_client, {**line, "prompt": "Why?"}, protocol=protocol.pk)
    assert texts_of(Task.objects.get()) == ["It rains.", "It snows."]
    assert [one.decoding["model"] for one in Response.objects.order_by("sample")] == ["w", "z"]


def test_known_answers(project: Project, researcher_client: Client) -> None:
    gold = {"accept": {"side": 1}, "explanation": "B is exact."}
    two = {"responses": ["a.", "b."], "gold": gold}
    add(
        researcher_client,
        {"prompt": "One?", "key": "one", **two},
        {"prompt": "Two?", "key": "two", **two, "purpose": "test"},
        {"prompt": "Three?", "key": "three", "responses": ["a.", "b."]},
        protocol="pairwise",
    )
    found = {task.prompt.key: task for task in Task.objects.select_related("prompt")}
    assert {key: task.purpose for key, task in found.items()} == {"one": "gold", "two": "test", "three": "work"}
    assert found["one"].gold == gold and found["three"].gold is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"responses": "a."}, "responses is not a list"),
        ({"responses": ["a.", " "]}, "one of them is empty"),
        ({"responses": ["a."] * 13}, "13 responses, 12 are allowed"),
        ({"responses": ["a.", "b."], "models": ["x"]}, "models names 1 and there are 2"),
        ({"responses": ["a.", "b."], "models": [1, 2]}, "not a list of names"),
        ({"responses": ["a.", "b.", "c."]}, "shows 2 responses; the item has 3."),
        ({"responses": ["a.", "a. "]}, "two of its responses are the same"),
        ({"responses": ["a.", "b\x00"]}, "NUL character"),
        ({"responses": ["a.", "b."], "tags": ["\ud800"]}, "half of a character"),
        ({"responses": ["a.", "b."], "purpose": "gold"}, "need gold"),
        ({"responses": ["a.", "b."], "purpose": "turn"}, "purpose is"),
        ({"responses": ["a.", "b."], "purpose": ["gold"]}, "purpose is"),
        ({"responses": ["a.", "b."], "gold": {"accept": {"side": 0}}, "purpose": "work"}, "only they have one"),
        ({"responses": ["a.", "b."], "gold": {"side": 0}}, "gold is {"),
        ({"responses": ["a.", "b."], "gold": {"accept": {"side": 2}}}, "side has to be 0 or 1"),
        ({"responses": ["a.", "b."], "gold": {"accept": {"side": True}}}, "side has to be 0 or 1"),
        ({"responses": ["a.", "b."], "gold": {"accept": {"sides": 0}}}, "accept names 'sides'"),
        ({"responses": ["a.", "b."], "gold": {"accept": 0}}, "accept has to be an object"),
        ({"gold": {"accept": {"side": 0}}}, "a known answer and no responses"),
        ({"image": "cat.png"}, "there is no picture cat.png"),
        ({"image": 3}, "image is not a text"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_added(
    project: Project, researcher_client: Client, line: dict[str, Any], words: str
) -> None:
    good = {"prompt": "Good?", "responses": ["a.", "b."]}
    found = problems(add(researcher_client, good, {"prompt": "Bad?", **line}, protocol="pairwise"))
    assert "Line 2: " in found and words in found


def test_a_known_answer_needs_a_task(project: Project, researcher_client: Client) -> None:
    line = {"prompt": "One?", "responses": ["a.", "b."], "gold": {"accept": {"side": 0}}}
    assert "Choose what is asked" in problems(add(researcher_client, line))
    assert "No line has responses" in problems(add(researcher_client, "One?", protocol="pairwise"))
    assert add(researcher_client, "One?", protocol="nothing").context["form"].errors["protocol"]


def test_a_known_answer_and_candidates_that_are_dropped(project: Project, researcher_client: Client) -> None:
    protocol = make_protocol(project, "selection")
    line = {"prompt": "?", "responses": ["It rains.", "it rains."], "gold": {"accept": {"fits": [0]}}}
    assert "two candidates are the same" in problems(add(researcher_client, line, protocol=protocol.pk))


@pytest.mark.parametrize(
    ("kinds", "accept", "words"),
    [
        (("ranking",), {"best": 2}, ""),
        (("ranking",), {"best": [0, 1]}, ""),
        (("ranking",), {"best": 3}, "0 to 2"),
        (("ranking",), {"best": []}, "0 to 2"),
        (("ranking",), {}, "0 to 2"),
        (("selection",), {"fits": []}, ""),
        (("selection",), {"fits": [0, 2]}, ""),
        (("selection",), {"fits": [0, 0]}, "list of positions"),
        (("selection",), {"fits": 0}, "list of positions"),
        (("ranking", "selection"), {"best": 0, "fits": [0]}, ""),
        (("ranking", "selection"), {"best": 0}, "fits has to be"),
        (("pairwise",), {"side": ["tie", 0]}, ""),
        (("pairwise",), {"side": []}, "side has to be"),
        (("rubric",), {"side": 0}, ""),
        (("rubric",), {"ratings": {"0": {"fluency": [4, 5]}, "1": {"tone": 1}}}, ""),
        (("rubric",), {"ratings": {"5": {"fluency": 4}}}, "names position '5'"),
        (("rubric",), {"ratings": {"0": {"fluency": 6}}}, "1 to 5"),
        (("rubric",), {}, "needs side"),
        (("chat",), {"side": 0}, "no step of the protocol (chat)"),
    ],
)
def test_what_can_be_accepted(kinds: tuple[str, ...], accept: dict[str, Any], words: str) -> None:
    steps = parse_steps([{"kind": kind} for kind in kinds])
    found = accepted.problem_with(accept, steps, responses=3)
    assert words in found if words else not found


def test_a_second_click_is_told_so(
    project: Project, researcher_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_prompt(project, "one")
    monkeypatch.setattr(
        "annotate.intake.prompts.all_problems", lambda *values: []
    )  # it looked before the first one committed
    answer = add(researcher_client, {"prompt": "One?", "key": "one"}, {"prompt": "Two?", "key": "two"})
    assert answer.status_code == 422
    assert "added a moment ago" in answer.content.decode()
    assert Prompt.objects.count() == 1


def test_pictures_come_with_their_prompts(project: Project, researcher_client: Client, home: Path) -> None:
    red = picture("cat.png")
    add(
        researcher_client,
        {"prompt": "What is it?", "key": "one", "image": "cat.png", "image_description": "A red field."},
        {"prompt": "And how large?", "key": "two", "image": "cat.png"},
        pictures=[red],
    )
    image = Image.objects.get()
    assert (image.description, image.width, image.prompts.count()) == ("A red field.", 8, 2)
    assert (home / "images" / str(project.pk) / image.sha256).is_file()
    add(researcher_client, {"prompt": "Again?", "key": "three", "image": image.sha256})
    assert Prompt.objects.get(key="three").image == image


def test_pictures_are_all_right_or_nothing_is_added(project: Project, researcher_client: Client, home: Path) -> None:
    line = {"prompt": "What?", "image": "cat.png"}
    spare = add(researcher_client, line, pictures=[picture("cat.png"), picture("dog.png", "blue")])
    assert "No line names the picture dog.png" in problems(spare)
    twice = add(researcher_client, line, pictures=[picture("cat.png"), picture("cat.png", "blue")])
    assert "Two pictures have the name cat.png" in problems(twice)
    torn = add(researcher_client, line, pictures=[SimpleUploadedFile("cat.png", b"no picture")])
    assert "cat.png is not a picture that can be read" in problems(torn)
    assert "Choose the pictures again" in torn.content.decode()
    assert not Image.objects.exists()
