"""offset: the six traps of OffsetBias (Park et al. 2024, 2407.06551), which take the polished for the right."""

from accounts.models import Project
from evaluate.benchmarks.base import Result
from evaluate.benchmarks.cases import OFFSET
from evaluate.benchmarks.on_cases import right_on


def run(project: Project) -> list[Result]:
    return right_on(project, OFFSET, "offset")
