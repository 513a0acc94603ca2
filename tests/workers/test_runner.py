"""How a child says what ended it."""

import subprocess
import sys

import pytest
import torch
from django.db import InterfaceError, OperationalError

from registry.jobs import LeaseLost
from registry.specs import SpecError
from workers.errors import JobError, Stopped
from workers.leash import Terminated
from workers.runner import describe

SMALLER = "Choose a smaller micro_batch, batch_size or max_tokens, or a machine with more memory."


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Stopped(), {"outcome": "stopped"}),
        (Terminated(), {"outcome": "stopped"}),
        (LeaseLost(), {"outcome": "lost"}),
        (JobError("No pairs."), {"outcome": "failed", "error": "No pairs."}),
        (SpecError({"a": "A is wrong.", "b": "B too."}), {"outcome": "failed", "error": "A is wrong. B too."}),
        (
            OperationalError("server closed the connection\nunexpectedly"),
            {"outcome": "retry", "error": "The database could not be used: server closed the connection."},
        ),
        (InterfaceError("gone"), {"outcome": "retry", "error": "The database could not be used: gone."}),
    ],
)
def test_describe(error: BaseException, expected: dict[str, str]) -> None:
    assert describe(error) == expected


def test_an_unforeseen_error_comes_with_its_traceback() -> None:
    ending = describe(KeyError("loss"))
    assert (ending["outcome"], ending["error"]) == ("crashed", "KeyError: 'loss'")
    assert ending["traceback"] == "KeyError: 'loss'"


def test_a_full_gpu_is_said_in_words() -> None:
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of")
    ending = describe(error)
    assert ending["outcome"] == "failed"
    assert ending["error"] == f"Out of memory on the GPU: 20.00 MiB were asked for. {SMALLER}"


def test_a_full_machine_is_said_in_words() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    ending = describe(raised.value)
    assert ending["outcome"] == "failed"
    assert ending["error"].startswith("Out of memory on this machine: 1152921504606846976 bytes were asked for.")


def test_a_person_who_starts_it_is_told_what_to_do() -> None:
    started = subprocess.run([sys.executable, "-m", "workers.runner", "1"], capture_output=True, text=True, check=False)
    assert started.returncode == 2
    assert "To run jobs, start a worker." in started.stderr


def test_a_worker_imports_no_torch() -> None:
    code = "import sys, django; django.setup(); import workers.tasks; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
