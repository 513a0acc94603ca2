"""Our Label Studio export as the real thing takes it (1.23.2 refused e-mails of people who are none of its users)."""

from exchange.exports.formats.label_studio import CONFIG, tasks
from exchange.imports.formats import FORMATS


def test_who_answered_is_an_answer_and_comes_back_as_the_rater() -> None:
    answer = {
        "id": 7, "person": "p-1", "kind": "pairwise", "preference": 2, "value": {"strength": 2}, "order": [0, 1],
        "answered_at": "2026-11-20T10:00:00Z",
    }  # fmt: skip
    row = {
        "task": 1, "prompt": [{"role": "user", "content": "q"}], "prompt_key": "k", "answers": [answer],
        "responses": [{"text": "x", "model": "m1"}, {"text": "y", "model": "m2"}],
    }  # fmt: skip
    (task,) = tasks(row)
    assert "completed_by" not in task["annotations"][0]
    assert {one["from_name"] for one in task["annotations"][0]["result"]} == {"pw", "strength", "rater"}
    assert '<TextArea name="rater"' in CONFIG
    back = {**task, "annotations": [{**task["annotations"][0], "completed_by": 1}]}  # whoever imported it there
    unfold = FORMATS["label-studio"].unfold
    assert unfold is not None
    (said,) = unfold(back)
    assert (said["annotator"], said["pw"]) == ("p-1", "left")
