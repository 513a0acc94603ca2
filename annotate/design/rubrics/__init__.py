"""Rubrics that are ready to use. A new one is a file here and a line in READY."""

from annotate.design.rubrics import hhh, menlo, summarization
from annotate.design.rubrics.spec import LEVELS, MAX_DIMENSIONS, Dimension, RubricSpec

READY: dict[str, RubricSpec] = {
    "menlo": menlo.RUBRIC,
    "helpful-honest-harmless": hhh.RUBRIC,
    "summaries": summarization.RUBRIC,
}

__all__ = ["LEVELS", "MAX_DIMENSIONS", "READY", "Dimension", "RubricSpec"]
