"""A kind of job that does what the engine's tests need: counts, hangs, fails, dies."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pydantic import Field

from registry.models import ModelVersion
from registry.specs import JobKind, Spec
from workers.context import JobContext
from workers.errors import JobError, Stopped


class EngineSpec(Spec):
    act: str = Field("count", description="what to do")
    steps: int = Field(20, description="how far to count")
    wait_at: int = Field(0, description="a step at which the first attempt waits to be stopped or killed")


ENGINE_JOB = JobKind(EngineSpec, "Engine", "Exercise the engine", "cpu", "engine", launchable=False)


def run(context: JobContext, spec: EngineSpec) -> None:
    (context.workdir / "pid").write_text(str(os.getpid()))
    ACTS[spec.act](context, spec)


def count(context: JobContext, spec: EngineSpec) -> None:
    """A chain of hashes, so that a step done twice or left out shows in the result."""
    first, state = 0, "start"
    if checkpoint := context.latest_checkpoint():
        first, state = int(checkpoint.name.removeprefix("step-")), (checkpoint / "state").read_text()
        context.log(f"resumed at step {first}")
    for step in range(first + 1, spec.steps + 1):
        state = hashlib.sha256(f"{state}{step}".encode()).hexdigest()
        context.metrics(step, {"chain/value": int(state[:4], 16)}, step=step)
        context.progress(step, spec.steps, f"step {step}")
        if step % 5 == 0:
            keep(context, step, state)
            context.sample(step, "What is the chain?", state)
        if step == spec.wait_at and context.attempt == 1:
            wait(context, step, state)
    print("counted on standard output")
    publish(context, digest=state, first=first)


def keep(context: JobContext, step: int, state: str) -> None:
    context.save_checkpoint(step, lambda folder: write(folder / "state", state))


def write(path: Path, text: str) -> None:
    path.write_text(text)


def wait(context: JobContext, step: int, state: str) -> None:
    context.log("waiting")
    while not context.should_stop():
        time.sleep(0.02)
    keep(context, step, state)
    context.check_stop()


def publish(context: JobContext, **result: object) -> None:
    artifact = context.workdir / "artifact"
    artifact.mkdir(exist_ok=True)
    (artifact / "weights").write_text(str(result))
    with context.publish() as shown:
        ModelVersion.objects.create(
            project=context.job.project,
            name=f"made-by-{context.job.name}",
            role=ModelVersion.Role.POLICY,
            format=ModelVersion.Format.FULL,
            path=str(artifact),
            job=context.job,
            manifest=context.manifest_of(artifact),
        )
        shown.update(result)


def stubborn(context: JobContext, spec: EngineSpec) -> None:
    """Deaf to every polite word, with two grandchildren that are too, one of them in a session of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    asleep = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
    pids = [subprocess.Popen(asleep, start_new_session=apart).pid for apart in (False, True)]
    (context.workdir / "grandchildren").write_text(" ".join(map(str, pids)))
    context.log("waiting")
    while True:
        time.sleep(1)


def finish_in_silence(context: JobContext, spec: EngineSpec) -> None:
    context.log("nothing to publish")


def vanish(context: JobContext, spec: EngineSpec) -> None:
    os._exit(0)


def refuse(context: JobContext, spec: EngineSpec) -> None:
    raise JobError("The dataset prefs-v1 has no pairs. Collect answers, then build it again.")


def crash(context: JobContext, spec: EngineSpec) -> None:
    os.write(1, b"not \xff utf-8 \x00\n" + b"drawn over\rlast state\n" + b"x" * 20_000 + b"\nno newline at the end")
    raise ValueError("the tensor is upside down")


def run_out_of_memory(context: JobContext, spec: EngineSpec) -> None:
    raise MemoryError


def die_once(context: JobContext, spec: EngineSpec) -> None:
    if context.attempt == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    publish(context, attempt=context.attempt)


def always_die(context: JobContext, spec: EngineSpec) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stop_unasked(context: JobContext, spec: EngineSpec) -> None:
    if context.attempt == 1:
        raise Stopped
    publish(context)


ACTS = {
    "count": count,
    "stubborn": stubborn,
    "silent": finish_in_silence,
    "vanish": vanish,
    "refuse": refuse,
    "crash": crash,
    "memory": run_out_of_memory,
    "die_once": die_once,
    "always_die": always_die,
    "stop_unasked": stop_unasked,
}
