"""Where votes and judges follow something other than quality. A new one is a file here and a line in BENCHMARKS."""

from evaluate.benchmarks import (
    format,
    hhh,
    language,
    length,
    offset,
    position,
    self_preference,
    sycophancy,
)
from evaluate.benchmarks.base import Benchmark, Result

BENCHMARKS: dict[str, Benchmark] = {
    "position": position.run,
    "length": length.run,
    "format": format.run,
    "self_preference": self_preference.run,
    "offset": offset.run,
    "sycophancy": sycophancy.run,
    "language": language.run,
    "hhh": hhh.run,
}

__all__ = ["BENCHMARKS", "Benchmark", "Result"]
