"""Settings: what is refused, with which words, and what the form folds away."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from accounts.models import Project
from annotate.models import Response
from registry import jobs
from registry.specs import SPECS, SampleSpec, SpecError, TrainDpoSpec, from_yaml, parse, read_yaml
from tests.factories import make_model, make_prompt
from tests.workers.tiny import make_tokenizer
from workers import modeling, sources
from workers.context import JobContext
from workers.errors import JobError
from workers.jobs import sample
from workers.pairs import total_steps

TRAINING = {"dataset": "prefs-v1", "base": "base"}


def wrong(kind: str, /, **values: Any) -> dict[str, str]:
    with pytest.raises(SpecError) as error:
        parse(SPECS[kind].spec, values)
    return error.value.problems


def test_two_decodings_of_one_name_are_refused() -> None:
    problems = wrong("sample", model="base", decoding=[{"temperature": 0}, {"temperature": 1}])
    assert problems == {"decoding": "decoding: more than one is named plain. Give each a name of its own."}
    one = parse(SampleSpec, {"model": "base", "decoding": [{"temperature": 0}]})
    assert isinstance(one, SampleSpec)
    assert one.decoding[0].name == "plain"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("base: [", "Line 1 of the YAML cannot be read"),
        ("base: \x07", "The YAML cannot be read"),
        ("[" * 3000, "nested too deep"),
        ("day: 2020-13-45", "The YAML cannot be read: month"),
        ("seed: 0x" + "f" * 9000, "The YAML cannot be read"),
        ("seed: " + "9" * 9000, "The YAML cannot be read"),
        ("a: !!bool perhaps", "The YAML cannot be read"),
        ("a: !!timestamp no", "The YAML cannot be read"),
        ('a: "\\ud83d"', "The YAML cannot be read"),
        ("a: &a [1]\nb: *a", "anchors are not followed"),
        ("a: &a [*a]", "anchors are not followed"),
        ("x" * 100_001, "only 100,000 characters"),
        ("- a", "is not a list of settings"),
        ("5", "is not a list of settings"),
    ],
)
def test_yaml_that_cannot_be_read_is_a_sentence(text: str, words: str) -> None:
    with pytest.raises(SpecError, match=words) as error:
        from_yaml(text)
    assert len(str(error.value)) < 200


def test_a_line_of_one_setting_is_named() -> None:
    with pytest.raises(SpecError, match="Line 2 of decoding cannot be read") as error:
        read_yaml("- name: a\n  top_p: [", name="decoding")
    assert set(error.value.problems) == {"decoding"}


@pytest.mark.parametrize("kind", SPECS)
def test_no_text_holds_a_nul_and_no_number_is_endless(kind: str) -> None:
    required = {name: "x" for name, field in SPECS[kind].spec.model_fields.items() if field.is_required()}
    for name, field in SPECS[kind].spec.model_fields.items():
        assert name in wrong(kind, **{**required, name: "x\x00"})
        if field.annotation is int:
            problem = wrong(kind, **{**required, name: 2**63})[name]
            assert len(problem) < 300
            assert name in wrong(kind, **{**required, name: "9" * 5000})
    assert "languages" in wrong("build_dataset", languages=["en", "a\x00"])
    assert "decoding" in wrong("sample", model="base", decoding=[{"system": "\x00"}])
    assert "beta" in wrong("train_dpo", **TRAINING, beta=10**400)


@pytest.mark.parametrize("kind", SPECS)
def test_what_must_be_set_is_never_folded(kind: str) -> None:
    spec = SPECS[kind].spec
    assert set(spec.usual) <= set(spec.model_fields)
    required = {name for name, field in spec.model_fields.items() if field.get_default() is PydanticUndefined}
    if spec.usual:
        assert {name for name in required if spec.model_fields[name].is_required()} <= set(spec.usual)


@pytest.mark.parametrize(
    ("pairs", "batch", "epochs"), [(10, 8, 1.0), (16, 8, 2.5), (1, 8, 0.1), (0, 8, 1), (800, 7, 3)]
)
def test_steps_are_counted_as_the_trainer_counts_them(pairs: int, batch: int, epochs: float) -> None:
    spec = parse(TrainDpoSpec, {**TRAINING, "batch_size": batch, "epochs": epochs})
    assert isinstance(spec, TrainDpoSpec)
    assert spec.steps(pairs) == total_steps([None] * pairs, batch_size=batch, epochs=epochs)  # type: ignore[list-item]


def test_a_prompt_is_measured_with_the_system_prompt_of_its_decoding() -> None:
    prompt: Any = SimpleNamespace(key="p-1", messages=[{"role": "user", "content": "Beans?"}])
    long = {"name": "strict", "system": "Be brief. " * 20}
    spec = parse(SampleSpec, {"model": "base", "decoding": [{}, long], "max_prompt_tokens": 100})
    plain = parse(SampleSpec, {"model": "base", "max_prompt_tokens": 100})
    assert isinstance(spec, SampleSpec) and isinstance(plain, SampleSpec)
    sample.refuse_long(make_tokenizer(), [prompt], plain)
    with pytest.raises(JobError, match=r"p-1 has .* with the system prompt of strict"):
        sample.refuse_long(make_tokenizer(), [prompt], spec)


@pytest.mark.django_db(transaction=True)
def test_a_sample_run_reports_the_responses_that_were_kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def and_one_more(_model: object, _tokenizer: object, batch: Sequence[Any], _spec: object) -> list[Any]:
        Response.objects.create(prompt=batch[0][0], job=job, setting="plain", sample=99, text="of nobody's")
        return [modeling.Sample("Soak them.", 3, "stop")] * len(batch)

    make_model(project, "base")
    make_prompt(project)
    jobs.request_job(project=project, kind="sample", params={"model": "base", "split": "all"}, user=None)
    job = jobs.claim("cpu", "test")
    assert job
    monkeypatch.setattr(sources, "policy_and_tokenizer", lambda *_, **__: (None, make_tokenizer()))
    monkeypatch.setattr(sample, "answers", and_one_more)
    sample.run(JobContext(job), parse(SampleSpec, job.params))  # type: ignore[arg-type]
    job.refresh_from_db()
    assert job.result == {"model": "base", "responses": Response.objects.filter(job=job).count(), "prompts": 1}


@pytest.mark.parametrize(
    ("given", "asked"),
    [("5e7", "Did you mean 5e-7?"), ("5E+7", "Did you mean 5e-7?"), (5e7, ""), ("1..e5", ""), ("0.5", ""), ("9e0", "")],
)
def test_a_forgotten_minus_is_asked_about(given: Any, asked: str) -> None:
    sentence = wrong("train_dpo", **TRAINING, learning_rate=given)["learning_rate"]
    assert (asked in sentence) if asked else ("Did you mean" not in sentence)
