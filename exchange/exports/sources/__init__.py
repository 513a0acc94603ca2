"""Where rows come from. A new source is a file here, a line in SOURCES, and a value of registry.specs.export.What."""

from collections.abc import Callable

from accounts.models import Project
from exchange.exports.people import People
from exchange.exports.sources import answers, dataset, events, items, tasks
from exchange.exports.sources.base import Row, Source
from registry.specs import ExportSpec

SOURCES: dict[str, Callable[[Project, ExportSpec, People], Source]] = {
    "dataset": dataset.source,
    "events": events.source,
    "answers": answers.source,
    "items": items.source,
    "tasks": tasks.source,  # the answers, for formats that keep those to a task together
}

__all__ = ["SOURCES", "Row", "Source"]
