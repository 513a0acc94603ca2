"""Answers judged against a baseline, from the rows of a CSV file."""

from dataclasses import dataclass

import numpy as np

from evaluate.files.decisions import once
from evaluate.files.table import FileProblem, read
from evaluate.stats.length_control import Judged

COLUMNS = ("model", "index", "preference", "length", "baseline_length")


@dataclass(frozen=True)
class JudgedModels:
    """`rated`: the models to be rated; `shared`: those with weights, who share every fit. In the order of the file."""

    rated: dict[str, Judged]
    shared: dict[str, Judged]


def judged_models(path: str, *, encoding: str = "utf-8-sig") -> JudgedModels:
    """A model whose rows have a weight other than 1 shares the fits of the others; nothing is the weight 1."""
    rows = read(path, COLUMNS, optional=("difficulty", "weight"), encoding=encoding)
    models = np.array(rows.filled("model"), dtype=object)
    once(rows, list(zip(rows.columns["model"], rows.filled("index"), strict=True)), "model and index")
    preference = np.array(rows.numbers("preference", least=0, most=1, empty=float("nan")))
    length, baseline = (np.array(rows.numbers(name, least=0)) for name in ("length", "baseline_length"))
    difficulty = np.array(rows.numbers("difficulty")) if "difficulty" in rows.columns else None
    weighted = "weight" in rows.columns
    weight = np.array(rows.numbers("weight", least=0, empty=1.0)) if weighted else np.ones(len(rows))
    found = JudgedModels({}, {})
    for name in dict.fromkeys(models.tolist()):
        own = models == name
        one = Judged(preference[own], length[own], baseline[own], None if difficulty is None else difficulty[own],
                     weight[own])  # fmt: skip
        if (weight[own] == 1).all():
            found.rated[name] = one
        elif (weight[own] == 1).any():
            line = rows.lines[int(np.flatnonzero(own & (weight == 1))[0])]
            raise FileProblem(
                f"Line {line}: {name} has the weight 1 here and others elsewhere. A model to be rated has no weight or "
                "1 in all rows; one that shares the fit has another in all."
            )
        else:
            found.shared[name] = one
    if not found.rated:
        raise FileProblem(
            f"{path} has no model to be rated: all have weights, which are for models that share the fit of others. "
            "Leave the weight of the model to be rated empty, or make it 1."
        )
    return found
