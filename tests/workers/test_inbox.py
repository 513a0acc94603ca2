"""A child can write anything: it is bounded, it can be stored, and it never raises."""

import json
from typing import Any

import pytest

from workers import inbox as inboxes
from workers.inbox import Inbox


def event(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def texts(inbox: Inbox) -> list[str]:
    return [line.text for line in inbox.lines]


def test_lines_that_arrive_in_pieces_are_put_together() -> None:
    inbox = Inbox()
    for piece in (b"fir", b"st\r\nsec", b"ond", b"\n\n  \nthird"):
        inbox.take_output(piece)
    assert texts(inbox) == ["first", "second"]
    inbox.close()
    assert texts(inbox) == ["first", "second", "third"]


def test_of_a_progress_bar_the_last_state_is_kept() -> None:
    inbox = Inbox()
    for percent in range(101):
        inbox.take_output(f"\r{percent}% |{'#' * 200}|".encode())
    inbox.take_output(b"\ndone\n")
    assert [text[:5] for text in texts(inbox)] == ["100% ", "done"]


def test_a_line_that_never_ends_is_cut_into_lines() -> None:
    inbox = Inbox()
    for _ in range(10):
        inbox.take_output(b"x" * 5_000)
    inbox.close()
    assert all(len(text) <= inboxes.LONGEST_LINE + 2 for text in texts(inbox))
    assert len(inbox._output) == 0


def test_the_log_of_an_attempt_is_bounded_but_errors_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inboxes, "MOST_LINES", 3)
    inbox = Inbox()
    inbox.take_output(b"line\n" * 10)
    inbox.add_line("the traceback", level="error")
    assert texts(inbox) == [
        "line", "line", "line", "The log is full at 3 lines. Only errors are added from here on.", "the traceback",
    ]  # fmt: skip


def test_events_become_progress_metrics_lines_and_last_words() -> None:
    inbox = Inbox()
    data = event(type="progress", done=1, total=9, text="step 1") + event(
        type="metrics", step=3, values={"held_out/accuracy": 0.8}, at=1.5
    )
    data += (
        event(type="log", text="hi", level="warning", at=2) + event(type="sync") + event(type="end", outcome="stopped")
    )
    for position in range(0, len(data), 7):
        inbox.take_events(data[position : position + 7])
    assert inbox.progress == inboxes.Progress(1, 9, "step 1")
    assert [(point.name, point.step, point.value) for point in inbox.metrics] == [("held_out/accuracy", 3, 0.8)]
    assert [(line.text, line.level) for line in inbox.lines] == [("hi", "warning")]
    assert inbox.sync_asked
    assert inbox.ending == {"type": "end", "outcome": "stopped"}


@pytest.mark.parametrize(
    "data",
    [
        b"not json\n",
        b"[]\n",
        b"\xff\xfe\n",
        event(type="dance"),
        event(type="progress", done=-1, total=9, text=""),
        event(type="progress", done=2**70, total=9, text=""),
        event(type="metrics", step=2**40, values={"loss": 1.0}, at=1),
        event(type="metrics", step=1, values={"loss": "high"}, at=1),
        event(type="metrics", step=1, values={"loss": 1.0}, at=1e300),
    ],
)
def test_an_event_that_cannot_be_read_becomes_a_line_of_the_log(data: bytes) -> None:
    inbox = Inbox()
    inbox.take_events(data)
    assert inbox.metrics == []
    assert inbox.progress is None
    assert [line.level for line in inbox.lines] == ["warning"]


def test_samples_are_kept_whole_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.inbox.MOST_SAMPLES", 2)
    monkeypatch.setattr("workers.inbox.LONGEST_SAMPLE", 5)
    inbox = Inbox()
    for step in range(3):
        inbox.take_events(event(type="sample", step=step, prompt="Beans?\x00", text="Soak", at=1))
    inbox.take_events(event(type="sample", step=-1, prompt="Beans?", text="Soak", at=1))
    assert [(one.step, one.prompt, one.text) for one in inbox.samples] == [(1, "Beans", "Soak"), (2, "Beans", "Soak")]
    assert "out of range" in texts(inbox)[0]
    inbox.clear()
    assert inbox.samples == []


def test_text_that_postgresql_does_not_take_is_replaced() -> None:
    inbox = Inbox()
    inbox.take_events(event(type="log", text="half \ud83d and \x00", level="info", at=0))
    assert texts(inbox) == ["half ? and \ufffd"]


def test_what_waits_for_the_database_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inboxes, "MOST_WAITING", 4)
    inbox = Inbox()
    inbox.take_output(b"".join(b"%d\n" % number for number in range(9)))
    for step in range(9):
        inbox.take_events(event(type="metrics", step=step, values={"loss": 1.0}, at=0))
    assert texts(inbox) == ["5", "6", "7", "8"]
    assert [point.step for point in inbox.metrics] == [5, 6, 7, 8]
