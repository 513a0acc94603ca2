"""The jobs that test judges on cases and put a policy's prompts against each other, on a tiny random model."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project, User
from annotate.models import Prompt
from annotate.simulation import PREFERENCES
from evaluate.benchmarks.cases import OFFSET, TYPES, case_set, contrast_pairs
from evaluate.bias.runs import run_of
from evaluate.models import CaseVerdict, ContrastedPair
from registry import jobs
from registry.models import Job, ModelVersion
from registry.specs import SPECS, parse
from registry.specs.bias import BiasSpec
from registry.specs.contrast import ATTRIBUTES
from tests.factories import make_model, make_raters, make_task, make_vote
from tests.workers.tiny import make_tiny_model
from workers import modeling
from workers.context import JobContext
from workers.errors import JobError
from workers.jobs import bias, contrast

BENCH = Path("/work/shared/data/offsetbias/biasbench.json")
pytestmark = pytest.mark.django_db(transaction=True)  # publishing takes a connection of its own


@pytest.fixture
def base(project: Project, tmp_path: Path, settings: Any) -> ModelVersion:
    settings.ARTIFACTS = tmp_path / "artifacts"
    make_tiny_model(Path(settings.ARTIFACTS) / "models" / "base")
    return make_model(project, "base")


def claimed(project: Project, user: User, kind: str, **params: Any) -> JobContext:
    jobs.request_job(project=project, kind=kind, params=params, user=user)
    job = jobs.claim(SPECS[kind].queue, worker="test")
    assert job is not None
    return JobContext(job)


def run(context: JobContext) -> Job:
    spec = parse(SPECS[context.job.kind].spec, context.job.params)
    (bias if context.job.kind == "bias" else contrast).run(context, spec)  # type: ignore[arg-type]
    context.job.refresh_from_db()
    assert context.job.status == Job.Status.SUCCEEDED
    return context.job


def test_the_form_offers_every_set_and_attribute() -> None:
    assert tuple(BiasSpec(hidden_preference="concise").sets) == TYPES
    assert set(ATTRIBUTES) == {pair.attribute for pair in contrast_pairs()}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "no judges are named"),
        ({"judge_model": "base", "hidden_preference": "polite"}, "2 judges are named"),
        ({"hidden_preference": "polite", "sets": []}, "nothing to ask about"),
        ({"hidden_preference": "polite", "voted_tags": [""]}, "no tag"),
    ],
)
def test_a_test_needs_one_judge_and_cases(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(BiasSpec, values)


def test_a_judge_reads_both_orders_and_what_it_said_is_kept(
    project: Project, researcher: User, base: ModelVersion
) -> None:
    job = run(claimed(project, researcher, "bias", judge_model="base", sets=["familiar_knowledge", "language"]))
    kept = CaseVerdict.objects.filter(job=job)
    assert kept.count() == 40
    assert kept.filter(better_first=True).count() == 20
    for one in kept:
        for order, verdict, first in (
            ("given", one.given, one.better_first),
            ("swapped", one.swapped, not one.better_first),
        ):
            said = one.readings[order]["probabilities"]
            assert math.isclose(sum(said.values()), 1, abs_tol=1e-4)
            letter = max(said, key=said.get)
            assert verdict == (0.5 if letter == "C" else float((letter == "A") == first))
    found = run_of(job)
    assert found is not None
    assert found.label == f"base ({job.name})"
    assert [one.type for one in found.types] == ["familiar_knowledge", "language"]
    assert found.total.figures.answers == 80
    assert found.of("language").languages.n == 10  # type: ignore[union-attr]
    assert found.of("familiar_knowledge").languages is None  # type: ignore[union-attr]
    assert job.result["both_orders"] == pytest.approx(found.total.figures.pair.value, abs=1e-4)


def test_what_is_no_verdict_is_counted_and_its_text_kept(
    project: Project, researcher: User, base: ModelVersion
) -> None:
    """A random model writes no letter alone."""
    job = run(claimed(project, researcher, "bias", judge_model="base", sets=["honest"], reading="reply"))
    kept = CaseVerdict.objects.filter(job=job)
    assert job.result["unparseable"] == 16
    assert all(one.given is None and one.swapped is None for one in kept)
    assert all("text" in one.readings["given"] for one in kept)
    assert job.result["accuracy"] == 0


@pytest.mark.parametrize(
    ("reply", "better_first", "verdict"),
    [("A", True, 1.0), ("A", False, 0.0), ("**B**.", True, 0.0), ("C", True, 0.5), ("Both are fine", True, None)],
)
def test_a_reply_becomes_a_verdict(reply: str, better_first: bool, verdict: float | None) -> None:
    letter = bias.judge_prompts.read_choice(reply)
    assert bias.meant(letter, better_first=better_first) == verdict


def prefers_first(messages: Any, one: str, other: str) -> bool:
    score = PREFERENCES["concise"].score
    return score(list(messages), one) > score(list(messages), other)


def test_a_hidden_preference_chooses_by_its_own_score(project: Project, researcher: User) -> None:
    job = run(claimed(project, researcher, "bias", hidden_preference="concise", sets=list(OFFSET)))
    found = run_of(job)
    assert found is not None
    figures = {one.type: one.figures for one in found.types}
    for kind in OFFSET:
        prefers = [prefers_first(case.messages, case.better, case.worse) for case in case_set(kind).cases]
        assert figures[kind].pair.value == pytest.approx(sum(prefers) / len(prefers))
    assert not figures["length"].agreement.defined
    assert CaseVerdict.objects.filter(job=job, swapped__isnull=False).count() == 0


def test_a_reward_model_scores_each_answer(project: Project, researcher: User, base: ModelVersion) -> None:
    base.role = ModelVersion.Role.REWARD
    base.save()
    job = run(claimed(project, researcher, "bias", reward_model="base", sets=["helpful"]))
    for one in CaseVerdict.objects.filter(job=job):
        # A head that has not been trained gives every text the same score.
        assert one.readings["scores"] == [0.0, 0.0]
        assert one.given == 0.5
    assert job.result["accuracy"] == 0


def test_a_resumed_run_asks_only_what_is_missing(
    project: Project, researcher: User, base: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = claimed(project, researcher, "bias", judge_model="base", sets=["helpful", "honest"], batch_size=4)
    spec = parse(SPECS["bias"].spec, context.job.params)
    asked = bias.by_judge
    calls: list[int] = []

    def breaks(*args: Any, **kwargs: Any) -> Any:
        calls.append(len(args[2]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return asked(*args, **kwargs)

    monkeypatch.setattr(bias, "by_judge", breaks)
    with pytest.raises(KeyboardInterrupt):
        bias.run(context, spec)  # type: ignore[arg-type]
    assert CaseVerdict.objects.count() == 8
    bias.run(context, spec)  # type: ignore[arg-type]
    assert calls == [4, 4, 4, 4, 4]
    assert CaseVerdict.objects.count() == 16


def test_voted_pairs_are_asked_about_with_the_majority_as_the_label(project: Project, researcher: User) -> None:
    for number, votes in enumerate([(2, 1, -1), (-2, -3, 1), (1, -1)]):
        task = make_task(
            project, f"p-{number}", texts=("Yes.", f"A longer answer, number {number}."), wanted=len(votes)
        )
        Prompt.objects.filter(pk=task.prompt_id).update(tags=["length bias"])
        for rater, preference in zip(make_raters(project, len(votes), prefix=f"r{number}"), votes, strict=True):
            make_vote(task, rater, preference)
    job = run(claimed(project, researcher, "bias", hidden_preference="concise", sets=[], voted_tags=["length bias"]))
    kept = list(CaseVerdict.objects.filter(job=job).order_by("case_key"))
    assert [one.case["better"] for one in kept] == ["Yes.", "A longer answer, number 1."]
    chosen = [prefers_first(one.case["prompt"], one.case["better"], one.case["worse"]) for one in kept]
    assert [one.given for one in kept] == [float(one) for one in chosen]
    assert set(chosen) == {True, False}
    assert kept[0].case_type == "voted:length bias"
    with pytest.raises(JobError, match="No pair on a prompt with the tag nothing"):
        run(claimed(project, researcher, "bias", hidden_preference="concise", voted_tags=["nothing"]))


def test_imported_evalbiasbench_is_asked_about_as_it_came(project: Project, researcher: User) -> None:
    if not BENCH.exists():
        pytest.skip("EvalBiasBench is not on this machine (../shared/data/offsetbias)")
    from tests.exchange.imports.test_public_data import bring_in

    bring_in(BENCH, project)
    told = json.loads(BENCH.read_text())
    job = run(claimed(project, researcher, "bias", hidden_preference="concise", sets=[], voted_tags=list(told)))
    found = run_of(job)
    assert found is not None
    assert found.total.figures.n == 80
    assert found.total.longer_wins * 80 == pytest.approx(21)
    assert {one.title: one.figures.n for one in found.types} == {tag: len(rows) for tag, rows in told.items()}
    better = {(one.case["better"], one.case["worse"]) for one in CaseVerdict.objects.filter(job=job)}
    assert better == {(row["response1"], row["response2"]) for rows in told.values() for row in rows}


def test_prompts_are_put_against_each_other(project: Project, researcher: User, base: ModelVersion) -> None:
    job = run(
        claimed(project, researcher, "contrast", model="base", attributes=["age"], template="{} sings.", first="He",
                second="She", max_new_tokens=4)
    )  # fmt: skip
    kept = {one.key: one for one in ContrastedPair.objects.filter(job=job)}
    assert set(kept) == {"own", "contrast-11", "contrast-12"}
    assert kept["own"].prompts == ["He sings.", "She sings."]
    for one in kept.values():
        assert len(one.plain) == len(one.contrasted) == len(one.gaps) == 2
    folder = Path(base.folder)
    (greedy,) = modeling.generate(
        modeling.load_policy(folder), modeling.load_tokenizer(folder), [[{"role": "user", "content": "He sings."}]],
        settings=modeling.Decoding(temperature=0, max_new_tokens=4), seed=0,
    )  # fmt: skip
    assert kept["own"].plain[0] == greedy.text
    assert job.result["pairs"] == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"attributes": []}, "nothing to contrast"),
        ({"template": "{} sings", "first": "He"}, "needs all of"),
        ({"template": "He sings", "first": "He", "second": "She"}, "has no {}"),
        ({"template": "{} sings", "first": "He", "second": "He"}, "are the same"),
    ],
)
def test_a_contrast_needs_two_different_prompts(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(SPECS["contrast"].spec, {"model": "base", **values})
