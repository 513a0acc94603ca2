"""Format, self-preference and the swap of places, from votes and judgements whose bias is known."""

import pytest

from evaluate.benchmarks import BENCHMARKS
from evaluate.models import CaseVerdict, Judgement
from registry.models import ModelVersion

LISTED = "# Title\n\n- one\n- two\n\n1. first\n2) second\n\n**bold** and **more**"


@pytest.fixture
def judge(world):
    return world.model("judge-02", role="judge")


def results(project, name):
    return {(one.voice.key, one.measure): one for one in BENCHMARKS[name](project)}


def test_format_counts_lists_headings_and_bold(project, world, base, tuned):
    job = world.job("judge")
    for number in range(20):
        prompt = world.prompt()
        plain = world.response(
            prompt, base, "One - two ** three # four 5. A plain text that is far longer than a list."
        )
        listed = world.response(prompt, tuned, LISTED if number else "1) only **one**")
        world.vote(world.task(plain, listed), 1 if number < 15 else -1)
        world.judgement(job, listed, plain, 1.0)
    found = results(project, "format")
    people, scorer = (
        found["human", "chooses the more formatted"],
        found["reward_model:rm-01", "chooses the more formatted"],
    )
    assert people.estimate.value == pytest.approx(0.25)
    assert people.verdict == "25 points towards the plainer"
    assert scorer.estimate.value == 1.0
    assert scorer.biased
    assert people.left_out == 0


def test_format_leaves_out_pairs_that_are_dressed_alike(project, world, base, tuned):
    prompt = world.prompt()
    world.vote(world.task(world.response(prompt, base, "- a\n- b"), world.response(prompt, tuned, "## t\n**b**")), 1)
    (found,) = BENCHMARKS["format"](project)
    assert (found.estimate.n, found.left_out) == (0, 1)


def verdict(world, judge, one, other, outcome):
    job = world.job("judge")
    return Judgement.objects.create(
        project=world.project, job=job, judge_kind="judge_model", judge_name=judge.name, judge_model=judge, first=one,
        second=other, score_first=outcome, score_second=1 - outcome, outcome=outcome,
    )  # fmt: skip


def test_self_preference_counts_where_people_see_no_difference(project, world, base, tuned):
    own = world.model("judge-02", role="judge", parent=base)
    stranger = world.model("stranger")
    for number in range(12):
        prompt = world.prompt()
        mine, theirs = world.response(prompt, tuned), world.response(prompt, stranger)
        task = world.task(mine, theirs, wanted=2)
        world.vote(task, 2)
        world.vote(task, -1 if number < 10 else 1, rater=world.rater("bob"))
        verdict(world, own, theirs, mine, 0.0 if number < 9 else 1.0)
    # Two of one family say nothing, nor does a pair that nobody voted on.
    prompt = world.prompt()
    verdict(world, own, world.response(prompt, base), world.response(prompt, tuned), 1.0)
    verdict(world, own, world.response(prompt, base), world.response(prompt, stranger), 1.0)
    (found,) = BENCHMARKS["self_preference"](project)
    assert found.voice.key == "judge_model:judge-02"
    assert (found.estimate.value, found.estimate.n, found.left_out) == (pytest.approx(0.9), 10, 3)
    assert found.biased


def test_a_judge_that_follows_the_place_does_not_keep_its_choice(project, world, base, tuned, judge):
    for number in range(20):
        prompt = world.prompt()
        one = verdict(world, judge, world.response(prompt, base), world.response(prompt, tuned), 0.5)
        second = "A" if number < 15 else "B"
        one.readings = {
            "given": {"probabilities": {"A": 0.6, "B": 0.3, "C": 0.1}},
            "swapped": {"probabilities": {"A": 0.1, "B": 0.1, "C": 0.0, second: 0.9}},
        }
        one.save()
    found = results(project, "position")
    slot = found["judge_model:judge-02", "chooses the first shown"]
    kept = found["judge_model:judge-02", "keeps its choice when swapped"]
    assert (slot.estimate.value, slot.estimate.n) == (pytest.approx(35 / 40), 40)
    assert slot.verdict == "38 points towards the first shown"
    assert kept.estimate.value == pytest.approx(0.25)
    assert kept.fair == 1.0


def said(world, job, judge: ModelVersion, kind: str, verdicts, *, langs=()):
    for number, (given, swapped) in enumerate(verdicts):
        CaseVerdict.objects.create(
            project=world.project, job=job, judge_kind="judge_model", judge_name=judge.name, judge_model=judge,
            case_type=kind, case_key=f"{kind}-{number}", group=f"g{number // 2}" if langs else "",
            lang=langs[number % len(langs)] if langs else "en",
            case={"prompt": [], "better": "yes", "worse": "no", "why": ""}, better_first=number % 2 == 0, given=given,
            swapped=swapped,
        )  # fmt: skip


def test_only_the_newest_run_of_a_judge_on_a_type_counts(project, world, judge):
    said(world, world.job("bias"), judge, "length", [(0.0, 0.0)] * 4)
    said(world, world.job("bias"), judge, "length", [(1.0, 1.0), (1.0, 0.0), (None, 1.0), (0.5, 0.0)])
    said(world, world.job("bias"), judge, "sycophancy", [(1.0, 1.0)] * 2)
    said(world, world.job("bias", status="failed"), judge, "length", [(0.0, 0.0)] * 4)
    (found,) = BENCHMARKS["offset"](project)
    assert found.measure == "Length: chooses the better"
    assert (found.estimate.value, found.left_out, found.fair) == (pytest.approx(4 / 8), 1, 1.0)
    (other,) = BENCHMARKS["sycophancy"](project)
    assert other.estimate.value == 1.0
    assert not other.biased
    assert BENCHMARKS["hhh"](project) == []


def test_languages_are_told_apart_and_put_together(project, world, judge):
    verdicts = [(1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
    said(world, world.job("bias"), judge, "language", verdicts, langs=("en", "de"))
    found = {one.measure: one.estimate.value for one in BENCHMARKS["language"](project)}
    assert found == {
        "English: chooses the better": pytest.approx(5 / 6),
        "other languages: chooses the better": pytest.approx(4 / 6),
        "right in every language": pytest.approx(1 / 3),
    }
