"""What the end of a child means for its job."""

from typing import Any

import pytest

from workers.endings import NOT_PUBLISHED, OUT_OF_MEMORY, Ending, read_ending

QUIET = {"exit_code": 0, "cancelled": False, "shutting_down": False, "out_of_memory": False}
FAILED = {"outcome": "failed", "error": "No pairs."}
CRASHED = {"outcome": "crashed", "error": "ValueError: bad"}
RETRY = {"outcome": "retry", "error": "The database could not be used."}
STOPPED = {"outcome": "stopped"}


@pytest.mark.parametrize(
    ("words", "changes", "expected"),
    [
        (FAILED, {}, Ending("failed", "No pairs.")),
        (FAILED, {"shutting_down": True}, Ending("failed", "No pairs.")),
        (FAILED, {"cancelled": True}, Ending("cancelled")),
        (
            CRASHED,
            {"exit_code": 1},
            Ending("failed", "ValueError: bad. The traceback is in the log, line 7 of this attempt."),
        ),
        ({"outcome": "returned"}, {}, Ending("failed", NOT_PUBLISHED)),
        ({"outcome": "lost"}, {"cancelled": True}, Ending("nothing")),
        (RETRY, {}, Ending("retry", "The database could not be used.")),
        (RETRY, {"shutting_down": True}, Ending("release")),
        (STOPPED, {"cancelled": True}, Ending("cancelled")),
        (STOPPED, {"cancelled": True, "shutting_down": True}, Ending("cancelled")),
        (STOPPED, {"shutting_down": True}, Ending("release")),
        (STOPPED, {}, Ending("retry", "The job was stopped from outside, though nobody asked for that here.")),
        (None, {"exit_code": -9}, Ending("retry", "The job's process was ended by SIGKILL.")),
        (None, {"exit_code": -9, "cancelled": True}, Ending("cancelled")),
        (None, {"exit_code": -9, "shutting_down": True}, Ending("release")),
        (None, {"exit_code": -9, "out_of_memory": True}, Ending("failed", OUT_OF_MEMORY)),
        (None, {"exit_code": -11, "out_of_memory": True}, Ending("retry", "The job's process was ended by SIGSEGV.")),
        (None, {"exit_code": 0}, Ending("failed", NOT_PUBLISHED)),
        (
            None,
            {"exit_code": 3},
            Ending("failed", "The job's process exited with code 3. The end of the log may say why."),
        ),
    ],
)
def test_read_ending(words: dict[str, Any] | None, changes: dict[str, Any], expected: Ending) -> None:
    assert read_ending(words, **{**QUIET, **changes}, traceback_line=7) == expected
