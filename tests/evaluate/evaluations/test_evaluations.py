"""An evaluation from its form to its board: what is asked for, what it costs, what counts for it alone."""

import pytest

from annotate.models import Prompt, Response, Task
from evaluate.boards import keeping
from evaluate.boards.slices import Slice
from evaluate.evaluations import plan, steps
from evaluate.evaluations.progress import progress
from evaluate.models import AskedTask, Evaluation, JudgeRun
from registry.models import Job, ModelVersion
from registry.specs import SpecError

FORM = {
    "name": "First round", "dataset": "", "split": "held_out", "tag": "", "max_new_tokens": "32", "temperature": "0.7",
    "reward_model": "", "judge_model": "", "criterion": "", "hidden_preference": "concise", "raters": "0",
    "batch": "10", "target": "0",
}  # fmt: skip
NEW = "/p/helpful/evaluations/new/"


@pytest.fixture
def models(world, base, tuned):
    return [base, tuned, world.model("kto-01", parent=base)]


@pytest.fixture
def prompts(world):
    return [world.prompt(f"asked-{i}") for i in range(10)]


def made(project, *, temperature=0.7, **values):
    given = {"hidden_preference": "concise", "batch": 10, "name": "first"} | values
    decoding = {
        "name": "evaluation",
        "temperature": temperature,
        "top_p": 0.95,
        "max_new_tokens": 32,
        "system": "",
        "samples": 1,
    }
    return Evaluation(project=project, decoding=decoding, **given)


def answered(evaluation, prompts):
    """The sample runs are done."""
    for entrant in evaluation.entrants.all():
        if entrant.sample and not entrant.sample.is_finished:
            Response.objects.bulk_create(
                Response(prompt=prompt, model=entrant.model, job=entrant.sample, setting="evaluation",
                         text=f"{entrant.model} on {prompt}")
                for prompt in prompts
            )  # fmt: skip
            Job.objects.filter(pk=entrant.sample.pk).update(status="succeeded", result={"responses": len(prompts)})


def decided(world, run, prompts, *, wins):
    """The judge run is done: its first entrant won so many of the battles."""
    for number, prompt in enumerate(prompts):
        sides = [Response.objects.get(prompt=prompt, job=one.sample) for one in (run.first, run.second)]
        world.judgement(run.job, *sides, float(number < wins), judge="concise", kind="hidden_preference")
    Job.objects.filter(pk=run.job_id).update(status="succeeded", result={"battles": len(prompts)})


def test_it_asks_for_missing_answers_and_for_battles_that_wait_for_them(project, models, prompts):
    evaluation = made(project)
    done = steps.start(evaluation, models, user=None)
    assert [job.params["model"] for job in done.samples] == ["base", "dpo-01", "kto-01"]
    (job,) = done.judge_runs
    assert {one.before.kind for one in job.waits_for.all()} == {"sample"}
    assert job.params["hidden_preference"] == "concise"
    assert done.sentence == "Asked for 3 sample runs, 1 judge run."


def test_answers_that_are_there_are_not_written_again(project, models, prompts):
    steps.start(made(project), models, user=None)
    second = steps.start(made(project, name="second"), models, user=None)
    assert second.samples == []
    assert Job.objects.filter(kind="sample").count() == 3
    other = made(project, name="third", temperature=0.1)
    assert len(steps.start(other, models, user=None).samples) == 3


def test_each_round_judges_the_pair_that_is_known_least_until_none_is_left(project, world, models, prompts):
    evaluation = made(project)
    steps.start(evaluation, models, user=None)
    answered(evaluation, prompts)
    seen = []
    for _ in range(3):
        run = evaluation.judge_runs.select_related("job", "first__sample", "second__sample").last()
        decided(world, run, prompts, wins=6)
        seen.append({run.first_id, run.second_id})
        done = steps.go_on(evaluation, user=None)
    assert len({frozenset(pair) for pair in seen}) == 3
    assert done.judge_runs == []
    assert done.sentence == "Every battle that there can be was judged."


def test_it_stops_when_intervals_are_narrow_enough(project, world, models, prompts):
    evaluation = made(project, target=150)
    steps.start(evaluation, models[:2], user=None)
    answered(evaluation, prompts)
    decided(world, evaluation.judge_runs.get(), prompts, wins=6)
    done = steps.go_on(evaluation, user=None)
    assert "within 150 points" in done.sentence
    assert evaluation.judge_runs.count() == 1


def test_people_get_tasks_of_both_answers_and_no_battle_twice(project, world, models, prompts):
    evaluation = made(project, hidden_preference="", raters=2, batch=12)
    assert steps.start(evaluation, models, user=None).sentence == "Asked for 3 sample runs."
    assert steps.go_on(evaluation, user=None).sentence == "The models have not answered yet."
    answered(evaluation, prompts)
    assert steps.go_on(evaluation, user=None).tasks == 12
    assert "still have 12 tasks" in steps.go_on(evaluation, user=None).sentence
    assert set(Task.objects.values_list("wanted", flat=True)) == {2}
    for asked in AskedTask.objects.select_related("task"):
        for rater in ("ann", "bob"):
            world.vote(asked.task, 1, rater=world.rater(rater))
    assert steps.go_on(evaluation, user=None).tasks == 12
    sets = [frozenset(task.task_responses.values_list("response", flat=True)) for task in Task.objects.all()]
    assert len(sets) == len(set(sets)) == 24
    assert steps.go_on(evaluation, user=None).tasks == 0


def test_a_model_of_which_only_answers_are_there_is_judged_by_people(project, world, models, prompts):
    outside = ModelVersion.objects.create(project=project, name="outside", role="policy", format="outputs", path="")
    for prompt in prompts[:4]:
        world.response(prompt, outside, f"from elsewhere, {prompt}")
    evaluation = made(project, raters=1, batch=40)
    steps.start(evaluation, [models[0], outside], user=None)
    answered(evaluation, prompts)
    done = steps.go_on(evaluation, user=None)
    assert (done.judge_runs, done.tasks) == ([], 4)
    assert [one.written for one in progress(evaluation).answers] == [10, 4]


def test_its_board_holds_what_was_judged_for_it_alone(project, world, models, prompts, researcher_client):
    world.compared([0.0] * 7, first=models[0], second=models[1], judge="concise", kind="hidden_preference")
    Prompt.objects.filter(pk__in=[one.pk for one in prompts]).update(tags=["ours"])
    evaluation = made(project, tag="ours")
    steps.start(evaluation, models, user=None)
    answered(evaluation, prompts)
    run = evaluation.judge_runs.select_related("job", "first__sample", "second__sample").get()
    decided(world, run, prompts, wins=8)
    (board,) = keeping.boards(project, Slice(evaluation="first"))
    assert board.battles == 10
    assert keeping.boards(project)[0].battles == 17
    first, second = run.first.model.name, run.second.model.name
    assert board.pairs[first, second].value == 0.8
    page = researcher_client.get("/p/helpful/leaderboard/?evaluation=first").content.decode()
    assert "10 battles by concise" in page
    listed = researcher_client.get(
        f"/p/helpful/battles/?first={first}&second={second}&evaluation=first"
    ).content.decode()
    assert "10 battles on 10 prompts" in listed
    assert keeping.boards(project, Slice(evaluation="no-such")) == []


def test_what_could_not_be_read_is_counted(project, world, models, prompts, researcher_client):
    evaluation = made(project, hidden_preference="", judge_model="base")
    steps.start(evaluation, models, user=None)
    answered(evaluation, prompts)
    run = evaluation.judge_runs.select_related("job", "first__sample", "second__sample").get()
    for prompt in prompts[:7]:
        sides = [Response.objects.get(prompt=prompt, job=one.sample) for one in (run.first, run.second)]
        world.judgement(run.job, *sides, 1.0, judge="base", kind="judge_model")
    Job.objects.filter(pk=run.job_id).update(status="succeeded", result={"battles": 10})
    done = progress(evaluation)
    assert (done.verdicts, done.unparseable) == (7, 3)
    assert (
        "3 verdicts of base could not be read" in researcher_client.get(evaluation.get_absolute_url()).content.decode()
    )


def test_the_cost_stands_before_it_starts(project, world, models, prompts):
    done = world.job("sample", result={"responses": 10})
    Job.objects.filter(pk=done.pk).update(started_at="2026-01-01T00:00:00Z", finished_at="2026-01-01T00:00:20Z")
    cost = plan.cost_of(made(project, raters=2, hidden_preference=""), models)
    assert (cost.prompts, cost.responses, cost.pairs, cost.verdicts, cost.answers) == (10, 30, 3, 0, 20)
    assert cost.seconds == 60
    assert plan.cost_of(made(project), models).seconds is None, "no judge run says how fast one is"


def test_the_form_says_the_cost_starts_and_follows(project, models, prompts, researcher_client):
    given = {**FORM, "models": ["base", "dpo-01"]}
    page = researcher_client.post(NEW, given).content.decode()
    assert 'Responses to write</th><td class="num">20' in page
    assert not Evaluation.objects.exists()
    page = researcher_client.post(NEW, {**given, "start": "1"}, follow=True).content.decode()
    assert "<h1>first-round</h1>" in page
    assert "Asked for 2 sample runs, 1 judge run." in page
    assert JudgeRun.objects.count() == 1
    assert "first-round" in researcher_client.get("/p/helpful/evaluations/").content.decode()
    page = researcher_client.post("/p/helpful/evaluations/of/first-round/next/", follow=True).content.decode()
    assert "Every battle that there can be was judged." in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models": ["base"]}, "Choose 2 to 40 models. Chosen: 1."),
        ({"models": []}, "Choose at least two models."),
        ({"hidden_preference": ""}, "Nobody judges."),
        ({"tag": "none-has-it"}, "No prompt fits dataset, split and tag"),
        ({"name": "?!"}, "letters or digits"),
        ({"models": ["base", "stranger"]}, "stranger is not one of the available choices"),
        ({"batch": "0"}, "greater than or equal to 1"),
    ],
)
def test_a_wrong_form_says_what_is_wrong_and_starts_nothing(models, prompts, researcher_client, given, said):
    answer = researcher_client.post(NEW, {**FORM, "models": ["base", "dpo-01"], "start": "1", **given})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Evaluation.objects.exists()
    assert not Job.objects.exists()


def test_a_judge_that_is_none_any_more_leaves_nothing_behind(project, models, prompts):
    with pytest.raises(SpecError, match="concise"):
        steps.start(made(project, hidden_preference="unheard-of"), models, user=None)
    assert not Evaluation.objects.exists()
    assert not Job.objects.exists()


def test_annotators_see_no_evaluation(annotator_client, project):
    assert annotator_client.get("/p/helpful/evaluations/").status_code == 403
    assert annotator_client.get(NEW).status_code == 403
