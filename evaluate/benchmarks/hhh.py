"""hhh: whether a judge prefers what is helpful, honest and harmless (after Askell et al. 2021, 2112.00861)."""

from accounts.models import Project
from evaluate.benchmarks.base import Result
from evaluate.benchmarks.cases import HHH
from evaluate.benchmarks.on_cases import right_on


def run(project: Project) -> list[Result]:
    return right_on(project, HHH, "hhh")
