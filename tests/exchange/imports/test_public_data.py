"""Public files as their authors wrote them: every one comes in whole, with the votes that it holds."""

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from accounts.models import Project, User
from annotate.models import Assignment, Feedback, Prompt, Response, Task
from annotate.quality.agreement import cohen_kappas
from annotate.quality.reliability import table
from exchange.imports.check import check
from exchange.imports.detect import detect, guessed_mapping
from exchange.imports.outcome import Outcome
from exchange.imports.write import write
from registry.models import ModelVersion

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


FILES = {
    # path: (format, lines, lines left out, votes, items, raters, models)
    "llmfao/crowd-comparisons.csv": ("llmfao", 8931, 0, 8931, 2139, 124, 59),
    "prd/prd_human_votes.csv": ("prd", 7040, 0, 7040, 2560, 3, 9),
    "prd/lfqa_expert_preferences.jsonl": ("lfqa-experts", 260, 0, 260, 140, 3, 2),
    "pandalm/testset-v1.json": ("pandalm", 999, 0, 2997, 999, 3, 5),
    "hh/harmless-base_test.jsonl.gz": ("hh-rlhf", 2312, 0, 2312, 2312, 1, 0),
    "hh/hhh_alignment_eval.json": ("hhh-alignment", 221, 0, 221, 221, 1, 0),
    "llamafactory/dpo_en_demo.json": ("llama-factory-dpo", 300, 0, 295, 295, 1, 0),
    "llamafactory/kto_en_demo.json": ("llama-factory-kto", 300, 0, 300, 300, 1, 0),
    "llmbar/GPTInst.json": ("llmbar", 92, 0, 92, 92, 1, 0),
    "llmbar/GPTOut.json": ("llmbar", 47, 0, 47, 47, 1, 0),
    "llmbar/Manual.json": ("llmbar", 46, 0, 46, 46, 1, 0),
    "llmbar/Natural.json": ("llmbar", 100, 0, 100, 100, 1, 0),
    "llmbar/Neighbor.json": ("llmbar", 134, 0, 134, 134, 1, 0),
    "offsetbias/biasbench.json": ("evalbiasbench", 80, 0, 80, 80, 1, 0),
    "dove/val_conditional_pref.jsonl": ("dove", 363, 0, 363, 363, 1, 0),
    "cut/iter1.json": ("cut", 1000, 0, 240, 240, 1, 0),  # 713 say nothing, and 47 judgments failed
    "tulu/tulu_human_eval.xlsx": ("tulu-human-eval", 1150, 9, 1141, 996, 16, 4),  # nine answered the same item twice
    "label_studio/export.json": ("label-studio", 10, 0, 8, 8, 1, 2),
    "label_studio/export.min.json": ("label-studio-min", 9, 0, 8, 8, 1, 2),
    "label_studio/export.csv": ("label-studio-min", 9, 0, 8, 8, 1, 2),
    "potato": ("potato", 10, 0, 10, 6, 2, 2),
}


@pytest.mark.parametrize("name", FILES)
def test_every_file_comes_in_and_again_changes_nothing(name: str, project: Project) -> None:
    path, (slug, lines, left_out, votes, items, raters, models) = DATA / name, FILES[name]
    assert detect(path)[0][0].slug == slug
    done = bring_in(path, project, on_bad="skip")
    found = done.counts
    assert (done.lines, done.skipped, found.votes, found.items) == (lines, left_out, votes, items)
    assert (found.raters, found.models) == (raters, models)
    assert Assignment.objects.filter(status="submitted").count() == votes
    assert Prompt.objects.count() == found.prompts
    assert Response.objects.count() == found.responses
    assert User.objects.filter(is_external=True, is_active=False).count() == raters
    done_tasks = Task.objects.values_list("wanted", "claimed", "answered")
    assert all(wanted == claimed == answered > 0 for wanted, claimed, answered in done_tasks)
    assert sum(answered for _, _, answered in done_tasks) == votes
    again = bring_in(path, project, on_bad="skip").counts
    assert (again.prompts, again.responses, again.items, again.votes) == (0, 0, 0, 0)
    assert again.votes_known >= votes
    assert Feedback.objects.values("assignment").distinct().count() == votes


def test_llmfao_gives_a_leaderboard_of_all_models_and_an_agreement_figure(project: Project) -> None:
    from annotate.quality.progress import agreement
    from evaluate.leaderboard import boards

    bring_in(DATA / "llmfao/crowd-comparisons.csv", project)
    (board,) = boards(project)
    assert (board.voice.kind, board.voice.label, board.battles) == ("imported", "imported votes", 8931)
    assert len(board.order) == 59
    with (DATA / "llmfao/crowd-comparisons.csv").open() as file:
        rows = list(csv.DictReader(file))
    wins = Counter(row[row["winner"]] for row in rows if row["winner"] != "tie")
    played = Counter(name for row in rows for name in (row["left"], row["right"]))
    ties = Counter(name for row in rows if row["winner"] == "tie" for name in (row["left"], row["right"]))
    named = {one.name: one.config["name_in_file"] for one in ModelVersion.objects.all()}
    for name, rate in board.rates.items():
        there = named[name]
        assert rate.value == pytest.approx((wins[there] + ties[there] / 2) / played[there])
    figure = agreement(project)
    assert figure.value is not None
    assert not figure.simulated
    assert 0 < figure.value < 0.5
    assert figure.n > 1_500


def test_llmfao_takes_its_prompts_from_the_file_beside_it(project: Project) -> None:
    path = DATA / "llmfao/crowd-comparisons.csv"
    format, _ = detect(path)[0]
    mapping = replace(guessed_mapping(path, format), prompts=str(DATA / "llmfao/prompts.jsonl"))
    write(path, format, mapping, project, None)
    there = {str(row["id"]): row["text"] for row in map(json.loads, (DATA / "llmfao/prompts.jsonl").open())}
    prompts = Prompt.objects.all()
    assert len(prompts) == 13
    assert all(one.text == there[one.key.rpartition("-")[2]] for one in prompts)


def test_pandalm_annotators_agree_as_published(project: Project) -> None:
    """PandaLM's test set (Wang et al. 2023, arXiv 2306.05087): Cohen's kappas of its three annotators."""
    bring_in(DATA / "pandalm/testset-v1.json", project)
    names = {one.pk: one.first_name for one in User.objects.filter(is_external=True)}
    rows = Feedback.objects.values_list("task_id", "annotator_id", "preference")
    ratings = table([task for task, _, _ in rows], [names[one] for _, one, _ in rows],
                    [(value > 0) - (value < 0) for _, _, value in rows])  # fmt: skip
    found = {pair: round(one.value or 0, 3) for pair, one in cohen_kappas(ratings, draws=0).items()}
    assert sorted(found.values()) == [0.852, 0.862, 0.879]
    assert {name for pair in found for name in pair} == {"annotator1", "annotator2", "annotator3"}


def test_tulu_strengths_map_exactly(project: Project) -> None:
    bring_in(DATA / "tulu/tulu_human_eval.xlsx", project, on_bad="skip")
    found = Counter(one["strength"] for one in Feedback.objects.filter(kind="pairwise").values_list("value", flat=True))
    # In the file: 188, 235, 376, 191 and 160; nine repeated ones are left out.
    assert set(found) == {2, 1, 0, -1, -2}
    assert found.total() == 1141
    assert all(0 <= there - found[value] <= 9 for value, there in ((2, 188), (1, 235), (0, 376), (-1, 191), (-2, 160)))


def test_what_is_acceptable_is_a_yes_or_no_of_each_answer(project: Project) -> None:
    bring_in(DATA / "tulu/tulu_human_eval.xlsx", project, on_bad="skip")
    said = Counter(
        tuple(one.get("fits", ())) for one in Feedback.objects.filter(kind="selection").values_list("value", flat=True)
    )
    assert said.total() == 1141
    # In the file, of whose lines nine are repeated and left out.
    for fits, there in {(0, 1): 783, (0,): 127, (1,): 125, (): 115}.items():
        assert 0 <= there - said[fits] <= 9
    assert not Feedback.objects.filter(kind="rubric").exists()


def test_dove_pairs_keep_both_prompts(project: Project) -> None:
    bring_in(DATA / "dove/val_conditional_pref.jsonl", project)
    rows = [json.loads(line) for line in (DATA / "dove/val_conditional_pref.jsonl").open()]
    two = sum(row["i_chosen"] != row["i_reject"] for row in rows)
    assert Task.objects.filter(two_prompts=True).count() == two
    for task in Task.objects.filter(two_prompts=True)[:5]:
        first, second = (one.response for one in task.task_responses.select_related("response__prompt"))
        assert {"i_chosen": first.prompt.text, "r_chosen": first.text, "i_reject": second.prompt.text,
                "r_reject": second.text} in rows  # fmt: skip


def test_cut_judgments_are_critiques_of_the_output(project: Project) -> None:
    bring_in(DATA / "cut/iter1.json", project)
    rows = [
        row
        for row in json.loads((DATA / "cut/iter1.json").read_text())
        if row["judgment"] and row["judgment"] != "$ERROR$"
    ]
    given = Feedback.objects.filter(kind="critique")
    assert sorted(one.value["weaknesses"] for one in given) == sorted(row["judgment"].strip() for row in rows)
    assert all(one.preference is None and one.value["marks"] == [] for one in given)


def test_label_studio_says_the_same_in_all_three_exports(project: Project) -> None:
    found = []
    for name in ("export.json", "export.min.json", "export.csv"):
        Feedback.objects.all().delete()
        Assignment.objects.all().delete()
        Task.objects.all().delete()
        bring_in(DATA / "label_studio" / name, project)
        rows = Feedback.objects.filter(kind="pairwise").order_by("task__prompt__messages")
        found.append([(one.task.prompt.text, one.preference, one.comment) for one in rows])
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 8


def test_potato_votes_are_those_of_the_two_people(project: Project) -> None:
    bring_in(DATA / "potato", project)
    found = {(one.annotator.first_name, one.task.prompt.key): one.preference for one in Feedback.objects.all()}
    assert found["ann", "x2"] == -2
    assert found["ben", "x2"] == 0
    assert found["ben", "x3"] == 2


def test_lines_without_a_critique_and_empty_answers_are_said(project: Project) -> None:
    for name, words in (
        ("cut/iter1.json", "760 lines have no critique: prompt and answers come in, without a vote."),
        ("pandalm/testset-v1.json", "23 answers are empty, and were judged as they are."),
    ):
        path = DATA / name
        format, _ = detect(path)[0]
        assert words in check(path, format, guessed_mapping(path, format), project).notes


def test_a_rater_who_answers_twice_is_told_the_line_of_the_first(project: Project) -> None:
    done = bring_in(DATA / "tulu/tulu_human_eval.xlsx", project, on_bad="skip")
    assert len(done.problems) == 9
    for one in done.problems:
        earlier = int(one.what.split(" on line ")[1].split(" ")[0].replace(",", ""))
        assert 2 <= earlier < one.line
