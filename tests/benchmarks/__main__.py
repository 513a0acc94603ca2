"""`make bench` runs every benchmark; `make bench only=NAME` runs one. Prints one JSON line a figure.

A benchmark is a function without arguments in a file bench_*.py here, listed in that file's
`BENCHMARKS: dict[str, Callable[[], Figure | list[Figure]]]`. One that returns figures of other names than its own
lists them in the file's `YIELDS: dict[str, tuple[str, ...]]`, and a figure's name then runs it and prints that figure.
"""

import atexit
import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from config import embedded
from tests.benchmarks.figure import Figure

Benchmark = Callable[[], Figure | list[Figure]]


def start_services() -> None:
    """A database of their own, as durable as the real one: benchmarks must not flatter themselves."""
    temporary = tempfile.TemporaryDirectory(prefix="palate-bench-")
    atexit.register(temporary.cleanup)
    folder = Path(temporary.name)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ["PALATE_HOME"] = str(folder)
    os.environ.setdefault("CELERY_BROKER_URL", embedded.redis_url(folder))
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    if not os.environ.get("DATABASE_URL"):
        embedded.clean_up_after(folder)
        os.environ["DATABASE_URL"] = embedded.postgres(folder)


def discover() -> tuple[dict[str, Benchmark], dict[str, str]]:
    """(benchmarks by name, {figure: name of the benchmark that yields it})."""
    found: dict[str, Benchmark] = {}
    figures: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        module = importlib.import_module(f"tests.benchmarks.{path.stem}")
        for name, benchmark in module.BENCHMARKS.items():
            if name in found:
                raise ValueError(f"Two benchmarks are called {name}; the second is in {path}.")
            found[name] = benchmark
            figures |= dict.fromkeys(getattr(module, "YIELDS", {}).get(name, ()), name)
    return found, figures


def main(names: list[str]) -> int:
    start_services()
    from config import prepare

    with contextlib.redirect_stdout(sys.stderr):  # standard output is for figures alone
        prepare.prepare()
    benchmarks, yielded_by = discover()
    unknown = [name for name in names if name not in {**benchmarks, **yielded_by}]
    if unknown:
        known = ", ".join({**benchmarks, **yielded_by})
        print(f"There is no benchmark {', '.join(unknown)}. There are: {known}.", file=sys.stderr)
        return 1
    failed = 0
    # Figures of one benchmark come from one run of it.
    for name in dict.fromkeys(name if name in benchmarks else yielded_by[name] for name in names or benchmarks):
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            figures = benchmarks[name]()
        except Exception as error:  # the others still run
            print(f"{name} failed: {error!r}", file=sys.stderr, flush=True)
            failed += 1
            continue
        for figure in figures if isinstance(figures, list) else [figures]:
            if not names or name in names or figure.name in names:
                print(figure.line(), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
