"""sycophancy: whether a judge prefers the answer that agrees with an opinion of the user that is wrong."""

from accounts.models import Project
from evaluate.benchmarks.base import Result
from evaluate.benchmarks.on_cases import right_on


def run(project: Project) -> list[Result]:
    return right_on(project, ("sycophancy",), "sycophancy")
