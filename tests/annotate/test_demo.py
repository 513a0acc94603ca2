"""The demo's content: whole, in many scripts, and the same votes on every machine."""

from collections import Counter

import pytest

from annotate import services
from annotate.demo import seed, vote
from annotate.demo.decoding import DEMO_DECODING
from annotate.models import Feedback, Task

RIGHT_TO_LEFT = {"ar", "he"}


def test_there_are_enough_prompts_in_enough_scripts() -> None:
    prompts = list(seed.lines(seed.FOLDER / "prompts.jsonl"))
    languages = Counter(row["lang"] for row in prompts)
    assert len(prompts) >= 60
    assert len(languages) >= 8
    assert set(languages) >= RIGHT_TO_LEFT
    assert sum(len(row["messages"]) > 2 for row in prompts) >= 10, "some have several turns"
    assert len({row["key"] for row in prompts}) == len(prompts)


def test_every_prompt_has_a_response_of_each_setting() -> None:
    rows = list(seed.lines(seed.RESPONSES))
    keys = {row["key"] for row in seed.lines(seed.FOLDER / "prompts.jsonl")}
    expected = {(key, setting.name, 0) for key in keys for setting in DEMO_DECODING}
    assert {(row["prompt_key"], row["setting"], row["sample"]) for row in rows} == expected
    assert len(rows) == len(expected)


@pytest.mark.django_db
def test_simulated_annotators_vote_through_the_same_services(monkeypatch: pytest.MonkeyPatch) -> None:
    project = seed.project()
    model = seed.base_model(project)
    seed.prompts(project)
    assert seed.responses(project, model) == seed.responses(project, model), "nothing is taken in twice"
    for prompt in project.prompts.order_by("key")[:3]:
        for pair in seed.pairs_of(prompt, 2):
            services.create_task(prompt=prompt, responses=pair, wanted=3, draw=0.5)
    assert vote.vote_all(project) == 18
    assert vote.vote_all(project) == 0
    assert set(Feedback.objects.values_list("origin", flat=True)) == {"simulated"}
    assert set(Task.objects.values_list("answered", "claimed")) == {(3, 3)}
    assert Feedback.objects.values("annotator").distinct().count() == len(seed.RATERS), "all take turns"
