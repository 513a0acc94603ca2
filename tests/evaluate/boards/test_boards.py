"""Kept boards against boards worked out from every vote and verdict, after whatever may happen to those."""

import random
import threading

import pytest
from django.db import connection
from django.utils import timezone

from annotate.models import Assignment, Feedback, Prompt, Response, Task, TaskResponse
from evaluate.boards import counting, keeping
from evaluate.boards.slices import ALL, Slice, offered, slice_of
from evaluate.models import ChangedPrompt, Judgement, KeptBoard, Tally


def same(project, chosen=ALL):
    """Kept and recomputed boards; equal to the last bit, since both take the same way from battles to numbers."""
    kept, scratch = keeping.boards(project, chosen), keeping.from_scratch(project, chosen)
    assert kept == scratch
    assert keeping.boards(project, chosen) == scratch, "read back from where it is kept"
    return scratch


class Acts:
    """Things that happen to the votes and verdicts of a project, each drawn at random."""

    def __init__(self, world, models, seed):
        self.world, self.models, self.draw = world, models, random.Random(seed)
        self.responses = [
            world.response(world.prompt(lang=self.draw.choice(["en", "de"])), model, f"{model}, {i}")
            for i in range(8) for model in models
        ]  # fmt: skip
        for prompt in {response.prompt for response in self.responses}:
            self.responses += [world.response(prompt, model, f"{prompt}, {model}") for model in models]
        self.job = world.job("judge")

    def pair(self):
        one = self.draw.choice(self.responses)
        others = [r for r in self.responses if r.prompt_id == one.prompt_id and r.pk != one.pk]
        return (one, self.draw.choice(others)) if others else (one, self.draw.choice(self.responses))

    def some(self, kind, **where):
        return self.draw.choice(list(kind.objects.filter(**where)) or [None])

    def judged(self):
        judge = self.draw.choice([{}, {"judge": "rm-02"}, {"judge": "concise", "kind": "hidden_preference"}])
        self.world.judgement(self.world.job("judge"), *self.pair(), self.draw.choice([0.0, 0.5, 1.0]), **judge)

    def voted(self):
        rater = self.world.rater(self.draw.choice(["ann", "bob"]))
        vote = self.world.vote(self.world.task(*self.pair()), self.draw.choice([-3, -1, 0, 2, None]), rater=rater)
        if self.draw.random() < 0.2:
            Feedback.objects.filter(pk=vote.pk).update(withdrawn_at=timezone.now())

    def changed(self):
        if found := self.some(Judgement):
            Judgement.objects.filter(pk=found.pk).update(outcome=self.draw.choice([0.0, 0.5, 1.0]))

    def deleted(self):
        if found := self.some(Judgement):
            found.delete()

    def withdrawn(self):
        if found := self.some(Feedback, withdrawn_at=None):
            found.withdrawn_at = timezone.now()
            found.save()

    def opened_again(self):
        if found := self.some(Assignment):
            states = ["leased", "submitted"]
            Assignment.objects.filter(pk=found.pk).update(status=self.draw.choice(states))

    def made_gold(self):
        if found := self.some(Task):
            Task.objects.filter(pk=found.pk).update(purpose=self.draw.choice(["gold", "work"]))

    def sides_turned(self):
        if found := self.some(Task):
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE annotate_taskresponse SET position = 5 WHERE task_id = %s AND position = 0", [found.pk]
                )
                cursor.execute(
                    "UPDATE annotate_taskresponse SET position = 0 WHERE task_id = %s AND position = 1", [found.pk]
                )
                cursor.execute(
                    "UPDATE annotate_taskresponse SET position = 1 WHERE task_id = %s AND position = 5", [found.pk]
                )

    def given_to_another_model(self):
        response = self.draw.choice(self.responses)
        Response.objects.filter(pk=response.pk).update(model=self.draw.choice([*self.models, None]))

    def translated(self):
        prompt = self.draw.choice(self.responses).prompt
        Prompt.objects.filter(pk=prompt.pk).update(lang=self.draw.choice(["en", "de"]), tags=["hard"])

    def learnt(self):
        if found := self.some(Feedback):
            child = self.world.model(f"m{next(self.world.numbers)}", parent=self.draw.choice(self.models))
            self.world.trained_on(child, found)
            self.models.append(child)
            self.responses.append(self.world.response(found.task.prompt, child))

    def renamed(self):
        model = self.draw.choice(self.models)
        model.name = f"renamed-{next(self.world.numbers)}"
        model.save()


NAMES = [name for name in vars(Acts) if not name.startswith("_") and name not in {"pair", "some"}]


@pytest.mark.parametrize("seed", range(4))
def test_kept_boards_are_those_of_a_recount_after_any_operations(project, world, seed):
    acts = Acts(world, [world.model(name) for name in ("base", "tuned", "other")], seed)
    for _ in range(12):
        acts.judged()
        acts.voted()
    for _ in range(8):
        for name in acts.draw.choices(NAMES, k=4):
            getattr(acts, name)()
        found = same(project)
        same(project, Slice(lang="de"))
        same(project, Slice(tag="hard", turn=1))
    assert {board.voice.kind for board in found} >= {"human", "reward_model"}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"learnt", "renamed"}])
def test_each_act_leaves_a_note_of_its_prompt(project, world, name):
    acts = Acts(world, [world.model("base"), world.model("tuned")], 1)
    for _ in range(4):
        acts.judged()
        acts.voted()
    counting.count(project)
    assert not ChangedPrompt.objects.exists()
    for _ in range(12):  # a drawn act may leave things as they were
        getattr(acts, name)()
    assert ChangedPrompt.objects.exists()


def test_what_is_deleted_with_its_texts_is_counted_no_more(project, world, base, tuned):
    world.compared([1.0, 0.0, 1.0], first=tuned, second=base)
    same(project)
    gone = Prompt.objects.first()
    Judgement.objects.filter(first__prompt=gone).delete()
    gone.delete()
    (board,) = same(project)
    assert board.battles == 2


def test_bulk_writes_and_raw_statements_are_noted_too(project, world, base, tuned):
    job = world.compared([1.0, 0.0], first=tuned, second=base)
    same(project)
    prompt = world.prompt()
    one, two = world.response(prompt, tuned), world.response(prompt, base)
    Judgement.objects.bulk_create(
        [Judgement(project=project, job=job, judge_kind="reward_model", judge_name="rm-01", first=one, second=two,
                   score_first=1, score_second=0, outcome=1)]
    )  # fmt: skip
    assert same(project)[0].battles == 3
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM evaluate_judgement WHERE first_id = %s", [one.pk])
    assert same(project)[0].battles == 2


def test_only_prompts_that_changed_are_counted_again(project, world, base, tuned):
    world.compared([1.0, 0.0, 1.0], first=tuned, second=base)
    counting.count(project)
    before = set(Tally.objects.values_list("pk", flat=True))
    world.compared([1.0], first=tuned, second=base)
    counting.count(project)
    assert before < set(Tally.objects.values_list("pk", flat=True))


def test_equal_counts_give_the_kept_board_without_work(project, world, base, tuned, monkeypatch):
    world.compared([1.0, 0.0, 1.0], first=tuned, second=base)
    found = keeping.boards(project)
    Judgement.objects.filter(outcome=1.0).update(score_first=7.0)  # a note, and nothing that counts
    monkeypatch.setattr(keeping, "boards_of", lambda *_: pytest.fail("worked out anew"))
    assert keeping.boards(project) == found
    assert not keeping.at_hand(project).behind


def test_a_model_that_gets_a_dataset_makes_kept_boards_old(project, world, base, tuned):
    world.compared([1.0, 0.0, 1.0], first=tuned, second=base)
    assert keeping.boards(project)[0].battles == 3
    learnt = Prompt.objects.first()
    vote = world.vote(world.task(world.response(learnt, base, "a"), world.response(learnt, base, "b")), 1)
    counting.count(project)
    world.trained_on(tuned, vote)
    assert (same(project)[0].battles, same(project)[0].trained) == (2, 1)


def test_a_board_that_takes_long_is_shown_as_it_was_and_says_so(project, world, base, tuned):
    world.compared([1.0, 0.0, 1.0], first=tuned, second=base)
    keeping.boards(project)
    KeptBoard.objects.update(seconds=9.0)
    world.compared([1.0], first=tuned, second=base)
    found = keeping.at_hand(project)
    assert (found.boards[0].battles, found.waiting, found.behind) == (3, 1, True)
    found = keeping.brought_up(project)
    assert (found.boards[0].battles, found.waiting, found.behind) == (4, 0, False)
    KeptBoard.objects.update(seconds=9.0)
    assert not keeping.at_hand(project).behind


def test_another_projects_notes_are_left_to_it(project, world, base, tuned):
    world.compared([1.0], first=tuned, second=base)
    ChangedPrompt.objects.create(project=project.pk + 1, prompt=1)
    assert counting.count(project).waiting == 0
    assert ChangedPrompt.objects.count() == 1


def test_an_address_names_a_slice_and_nonsense_names_none():
    assert slice_of({"lang": "de", "tag": "a b&c", "turn": "2"}) == Slice("de", "a b&c", 2)
    assert slice_of({"turn": "-1"}) == slice_of({"turn": "²"}) == slice_of({"lang": "\0"}) == ALL
    keys = {Slice("a", "b").key, Slice("a&tag=b").key, Slice(tag="a").key, Slice(lang="a").key, ALL.key}
    assert len(keys) == 5


def test_offered_are_the_values_that_prompts_have(project, world):
    for lang in ("en", "en", "de"):
        world.prompt(lang=lang)
    assert offered(project) == {"lang": ["en", "de"]}
    Prompt.objects.filter(lang="de").update(tags=["hard"], messages=[{"role": "user"}, {"role": "assistant"}] * 2)
    assert offered(project) == {"lang": ["en", "de"], "tag": ["hard"], "turn": ["1", "2"]}


@pytest.mark.django_db(transaction=True)
def test_counts_made_at_once_while_verdicts_come_are_right_in_the_end(project, world, base, tuned):
    world.compared([1.0, 0.0] * 5, first=tuned, second=base)
    job, prompts = world.job("judge"), [world.prompt() for _ in range(20)]
    sides = [(world.response(prompt, tuned), world.response(prompt, base)) for prompt in prompts]
    troubles = []

    def run(act):
        try:
            act()
        except Exception as trouble:
            troubles.append(trouble)
        finally:
            connection.close()

    def write():
        for one, two in sides:
            world.judgement(job, one, two, 1.0)

    def read():
        for _ in range(6):
            keeping.boards(project)

    threads = [threading.Thread(target=run, args=[act]) for act in (write, read, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []
    (board,) = same(project)
    assert board.battles == 30
    assert TaskResponse.objects.count() == 0


def test_a_board_of_german_prompts_counts_their_battles_and_its_cells_lead_to_them(
    researcher_client, project, world, base, tuned
):
    job = world.compared([1.0] * 3, first=tuned, second=base)
    prompt = world.prompt(lang="de")
    world.judgement(job, world.response(prompt, tuned), world.response(prompt, base), 0.0)
    page = researcher_client.get("/p/helpful/leaderboard/?lang=de").content.decode()
    assert "1 battles by rm-01" in page
    assert "judge=reward_model%3Arm-01&amp;lang=de" in page
    listed = researcher_client.get("/p/helpful/battles/?first=dpo-01&second=base&lang=de").content.decode()
    assert listed.count('class="card stack tight"') == 1
    drawn = researcher_client.get("/p/helpful/charts/matrix/?format=csv&lang=de").content.decode()
    assert "100" in drawn
    assert "1 prompts in de" in listed
    empty = researcher_client.get("/p/helpful/leaderboard/?lang=fr").content.decode()
    assert "No battles in fr" in empty
    assert "dpo-01" not in empty


def test_a_page_that_is_behind_asks_for_the_rest_and_gets_it(researcher_client, project, world, base, tuned):
    world.compared([1.0, 0.0, 1.0], first=tuned, second=base)
    keeping.boards(project)
    KeptBoard.objects.update(seconds=9.0)
    world.compared([1.0], first=tuned, second=base)
    page = researcher_client.get("/p/helpful/leaderboard/").content.decode()
    assert "1 prompt with newer votes or verdicts is being counted" in page
    assert "part=counted" in page
    part = researcher_client.get("/p/helpful/leaderboard/?part=counted").content.decode()
    assert part.startswith('<div class="stack" id="board">')
    assert "4 battles by rm-01" in part
    assert "part=counted" not in part
