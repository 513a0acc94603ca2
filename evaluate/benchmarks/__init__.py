"""Where votes and judges follow something other than quality. A new one is a file here and a line in BENCHMARKS."""

from evaluate.benchmarks import length, position
from evaluate.benchmarks.base import Benchmark, Result

BENCHMARKS: dict[str, Benchmark] = {"position": position.run, "length": length.run}

__all__ = ["BENCHMARKS", "Benchmark", "Result"]
