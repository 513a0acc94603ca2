"""Several models on the same rows, each with a seed of its own, trained one after another as one run.

What they agree on is the reward, and how far they are apart says how sure it is (Secrets of RLHF in large language
models, part II, Wang et al. 2024, 2401.06080).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.heads import member_name
from workers.pairs import total_steps
from workers.training.learner import Learner
from workers.training.loop import STATE_FILE, Note, OnStep, SaveCheckpoint, train
from workers.training.settings import TrainingResult

MEMBERS = "members"


def train_members(
    learner_of: Callable[[int], Learner[Any]],
    count: int,
    *,
    folder: Path,
    save: Callable[[Any, Path], None],
    on_step: OnStep | None = None,
    should_stop: Callable[[], bool] | None = None,
    save_checkpoint: SaveCheckpoint | None = None,
    resume_from: Path | None = None,
    on_note: Note | None = None,
) -> TrainingResult:
    """Train `count` members into folders of their own under `folder`, which is emptied first.

    `learner_of(number)` makes a fresh member, `save(model, folder)` keeps a finished one. Steps count on from member
    to member. A checkpoint holds the finished members and the state of the one under way, so that a run that is
    resumed gives the weights that an uninterrupted one gives. The result is of the last member, with the steps of all.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if resume_from is not None and (resume_from / MEMBERS).is_dir():
        shutil.copytree(resume_from / MEMBERS, folder, dirs_exist_ok=True)
    finished = len(list(folder.iterdir()))
    result = TrainingResult(0, 0, False, None)
    for number in range(finished, count):
        learner = learner_of(number)
        state = resume_from if number == finished and resume_from and (resume_from / STATE_FILE).exists() else None
        if on_note:
            on_note(f"Member {number + 1} of {count}, with the seed {learner.settings.seed}")
        before = _Before(number, count, folder)
        result = train(
            learner, on_step=before.on_step(on_step), should_stop=should_stop,
            save_checkpoint=before.save_checkpoint(save_checkpoint, learner), resume_from=state, on_note=on_note,
        )  # fmt: skip
        total = result.total
        if result.stopped:
            return TrainingResult(number * total + result.steps, count * total, True, None)
        save(learner.model, folder / member_name(number))
        result = TrainingResult((number + 1) * total, count * total, False, result.evaluation, result.best_step)
        if save_checkpoint and number + 1 < count:
            save_checkpoint((number + 1) * total, before.write_finished)
    return result


class _Before:
    """Of a member's run: what lies before it, the steps and the finished members."""

    def __init__(self, number: int, count: int, folder: Path) -> None:
        self.number, self.count, self.folder = number, count, folder

    def on_step(self, tell: OnStep | None) -> OnStep | None:
        if tell is None:
            return None

        def told(step: int, total: int, metrics: dict[str, float]) -> None:
            tell(self.number * total + step, self.count * total, metrics)

        return told

    def save_checkpoint(self, save: SaveCheckpoint | None, learner: Learner[Any]) -> SaveCheckpoint | None:
        if save is None:
            return None
        settings = learner.settings
        total = total_steps(learner.rows["train"], batch_size=settings.batch_size, epochs=settings.epochs)

        def saved(step: int, write: Callable[[Path], None]) -> None:
            def all_of_it(folder: Path) -> None:
                write(folder)
                self.write_finished(folder)

            save(self.number * total + step, all_of_it)

        return saved

    def write_finished(self, folder: Path) -> None:
        shutil.copytree(self.folder, folder / MEMBERS)
