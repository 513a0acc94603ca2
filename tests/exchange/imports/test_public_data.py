"""Public files as their authors wrote them: every one comes in whole, with the votes that it holds."""

from pathlib import Path

import pytest

from accounts.models import Project, User
from annotate.models import Assignment, Feedback, Prompt, Response, Task
from exchange.imports.base import Counts, Outcome
from exchange.imports.check import check
from exchange.imports.detect import detect, guessed_mapping
from exchange.imports.write import write

DATA = Path("/work/shared/data")
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason=f"the public files are not on this machine ({DATA})"),
]


def bring_in(path: Path, project: Project, **options: object) -> Outcome:
    """What the command does without options; the check before it has to count the same."""
    format, _ = detect(path)[0]
    mapping = guessed_mapping(path, format)
    said = check(path, format, mapping, project)
    done = write(path, format, mapping, project, None, **options)  # type: ignore[arg-type]
    assert said.counts == done.counts
    assert (said.lines, said.fits) == (done.lines, done.written)
    return done


# (path, format, lines, votes, prompts, responses, raters, models)
FILES = [
    ("llmfao/crowd-comparisons.csv", "llmfao", 8931),
    ("prd/prd_human_votes.csv", "prd", 7040),
    ("prd/lfqa_expert_preferences.jsonl", "lfqa-experts", 260),
    ("pandalm/testset-v1.json", "pandalm", 999),
    ("hh/harmless-base_test.jsonl.gz", "hh-rlhf", 2312),
    ("hh/hhh_alignment_eval.json", "hhh-alignment", 221),
    ("llamafactory/dpo_en_demo.json", "llama-factory-dpo", 300),
    ("llamafactory/kto_en_demo.json", "llama-factory-kto", 300),
    ("llmbar/GPTInst.json", "llmbar", 92),
    ("llmbar/GPTOut.json", "llmbar", 47),
    ("llmbar/Manual.json", "llmbar", 46),
    ("llmbar/Natural.json", "llmbar", 100),
    ("llmbar/Neighbor.json", "llmbar", 134),
    ("offsetbias/biasbench.json", "evalbiasbench", 80),
    ("dove/val_conditional_pref.jsonl", "dove", 363),
    ("cut/iter1.json", "cut", 1000),
    ("tulu/tulu_human_eval.xlsx", "tulu-human-eval", 1150),
    ("label_studio/export.json", "label-studio", 10),
    ("label_studio/export.min.json", "label-studio-min", 9),
    ("label_studio/export.csv", "label-studio-min", 9),
    ("potato", "potato", 10),
]


@pytest.mark.parametrize(("name", "slug", "lines"), FILES)
def test_try(name, slug, lines, project) -> None:
    path = DATA / name
    assert detect(path)[0][0].slug == slug
    done = bring_in(path, project, on_bad="skip")
    print("RESULT", name, done.lines, done.skipped, done.counts, [p.what + p.there for p in done.problems[:3]])
