"""The child's two pipes: events never block and never interleave, orders are obeyed, and the end of them ends it."""

import json
import os
import signal
import subprocess
import sys
import threading

from workers import leash
from workers.leash import EventPipe

CHILD = """
import os, subprocess, sys, threading
from workers.leash import Leash
stop = threading.Event()
Leash(stop).hold()
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(grandchild.pid, flush=True)
stop.wait(60)
print("stopping", sys.stdin.read() == "", flush=True)
threading.Event().wait(60)
"""


def read_all(descriptor: int) -> list[dict[str, int]]:
    with os.fdopen(descriptor) as file:
        return [json.loads(line) for line in file]


def test_events_that_the_pipe_does_not_take_wait_and_arrive_whole() -> None:
    read_end, write_end = os.pipe()
    events = EventPipe(write_end)
    for number in range(5_000):
        events.send({"number": number, "text": "x" * 100})  # far more than a pipe holds, and nobody reads
    received: list[dict[str, int]] = []
    reader = threading.Thread(target=lambda: received.extend(read_all(read_end)))
    reader.start()
    events.flush(patience=30)
    os.close(write_end)
    reader.join()
    assert [event["number"] for event in received] == list(range(5_000))


def test_of_too_many_waiting_events_the_oldest_are_dropped_and_the_rest_is_whole() -> None:
    read_end, write_end = os.pipe()
    events = EventPipe(write_end)
    for number in range(leash.MOST_WAITING * 2):
        events.send({"number": number})
    reader_result: list[dict[str, int]] = []
    reader = threading.Thread(target=lambda: reader_result.extend(read_all(read_end)))
    reader.start()
    events.flush(patience=30)
    os.close(write_end)
    reader.join()
    numbers = [event["number"] for event in reader_result]
    assert numbers == sorted(numbers)
    assert numbers[-1] == leash.MOST_WAITING * 2 - 1


def test_events_of_many_threads_do_not_interleave() -> None:
    read_end, write_end = os.pipe()
    events = EventPipe(write_end)

    def work(number: int) -> None:
        for _ in range(200):
            events.send({"number": number, "text": str(number) * 3_000})

    received: list[dict[str, int]] = []
    reader = threading.Thread(target=lambda: received.extend(read_all(read_end)))
    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in [reader, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    events.flush(patience=30)
    os.close(write_end)
    reader.join()
    assert len(received) == 800


def test_a_reader_that_went_away_does_not_hurt() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    events = EventPipe(write_end)
    events.send({"number": 1})
    events.flush(patience=30)
    os.close(write_end)


def start_child() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CHILD]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


def has_ended_with_all_of_its_group(child: subprocess.Popen[bytes]) -> bool:
    # The pipe of output ends when the last process that holds it has ended.
    assert child.stdout
    child.stdout.read()
    return child.wait(60) == -signal.SIGKILL


def test_a_child_obeys_and_ends_with_its_grandchild_when_the_worker_is_gone() -> None:
    child = start_child()
    assert child.stdin
    assert child.stdout
    child.stdout.readline()
    child.stdin.write(b"lease 600\nst")
    child.stdin.flush()
    child.stdin.write(b"op\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"stopping True\n"
    child.stdin.close()
    assert has_ended_with_all_of_its_group(child)


def test_a_child_whose_lease_is_not_renewed_ends_itself() -> None:
    child = start_child()
    assert child.stdin
    assert child.stdout
    child.stdout.readline()
    child.stdin.write(b"lease 0.1\n")
    child.stdin.flush()
    assert has_ended_with_all_of_its_group(child)


def test_sigterm_from_outside_asks_it_to_stop() -> None:
    child = start_child()
    assert child.stdout
    child.stdout.readline()
    child.send_signal(signal.SIGTERM)
    assert child.stdout.readline() == b"stopping True\n"
    child.send_signal(signal.SIGTERM)  # the second time it means it
    assert child.wait(60) == 1
    os.killpg(child.pid, signal.SIGKILL)
