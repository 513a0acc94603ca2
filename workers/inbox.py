"""What a child said and the database does not hold yet: progress, metrics, log lines, samples, last words.

A child can write anything at any speed, so everything is bounded and nothing that it writes raises.
"""

import json
from datetime import UTC, datetime
from typing import Any

from registry.events import LONGEST_SAMPLE, LogEntry, MetricPoint, Progress, SampleText

LONGEST_LINE = 8_000
LONGEST_TEXT = 100_000
MOST_LINES = 20_000
MOST_WAITING = 5_000
"""Metrics and lines that wait while the database cannot be reached; the oldest are dropped."""
LONGEST_EVENT = 1 << 20
MOST_SAMPLES = 200
LARGEST_INTEGER = 2**31 - 1


class Inbox:
    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.metrics: list[MetricPoint] = []
        self.lines: list[LogEntry] = []
        self.samples: list[SampleText] = []
        self.ending: dict[str, Any] | None = None
        self.sync_asked = False
        """The child waits until what it sent is stored."""
        self.lines_seen = 0
        self._output = b""
        self._events = b""

    def take_output(self, data: bytes) -> None:
        """Bytes of stdout and stderr. Of a line that was drawn over with carriage returns the last state is kept."""
        *lines, self._output = (self._output + data).split(b"\n")
        for line in lines:
            self._add_output(line)
        if b"\r" in self._output:
            kept = self._output.rstrip(b"\r").rpartition(b"\r")[2]
            self._output = kept + b"\r" * self._output.endswith(b"\r")
        if len(self._output) > LONGEST_LINE:
            self._add_output(self._output)
            self._output = b""

    def take_events(self, data: bytes) -> None:
        """Bytes of the pipe of events: one JSON object a line."""
        *lines, self._events = (self._events + data).split(b"\n")
        for line in lines:
            try:
                self._handle(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
                self.add_line(f"An event could not be read: {error!r} in {line[:200]!r}.", level="warning")

        if len(self._events) > LONGEST_EVENT:
            self._events = b""  # what follows of it cannot be read, and the log says so

    def close(self) -> None:
        """The child has ended: what it began to write is all of the line."""
        if self._output.strip():
            self._add_output(self._output)
        self._output = self._events = b""

    def add_line(self, text: str, *, level: str = "info", at: datetime | None = None) -> None:
        self.lines_seen += 1
        if self.lines_seen > MOST_LINES and level != "error":
            if self.lines_seen > MOST_LINES + 1:
                return
            text, level = f"The log is full at {MOST_LINES} lines. Only errors are added from here on.", "warning"
        entry = LogEntry(text=_storable(text)[:LONGEST_TEXT], level=_storable(level)[:8], at=at or datetime.now(UTC))
        self.lines.append(entry)
        del self.lines[:-MOST_WAITING]

    def clear(self) -> None:
        """Everything that waited is stored."""
        self.metrics, self.lines, self.samples = [], [], []

    def _add_output(self, line: bytes) -> None:
        text = line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")
        if text.strip():
            cut = f"{text[:LONGEST_LINE]} …" if len(text) > LONGEST_LINE else text
            self.add_line(cut, level="output")

    def _handle(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "progress":
                done, total = int(event["done"]), int(event["total"])
                if not 0 <= done < 2**63 or not 0 <= total < 2**63:
                    raise ValueError("progress out of range")
                self.progress = Progress(done, total, _storable(str(event["text"]))[:200])
            case "metrics":
                self._add_metrics(event)
            case "sample":
                self._add_sample(event)
            case "log":
                self.add_line(str(event["text"]), level=str(event["level"]), at=_time(event))
            case "sync":
                self.sync_asked = True
            case "end":
                # Of several processes the first that failed knows why; what follows are its consequences.
                self.ending = self.ending or event
            case other:
                raise ValueError(f"unknown type {other!r}")

    def _add_sample(self, event: dict[str, Any]) -> None:
        prompt, text = (_storable(str(event[name]))[:LONGEST_SAMPLE] for name in ("prompt", "text"))
        self.samples.append(SampleText(step=_step(event), prompt=prompt, text=text, at=_time(event)))
        del self.samples[:-MOST_SAMPLES]

    def _add_metrics(self, event: dict[str, Any]) -> None:
        step = _step(event)
        for name, value in event["values"].items():
            name = _storable(name)[:60]
            self.metrics.append(MetricPoint(name=name, step=step, value=float(value), at=_time(event)))
        del self.metrics[:-MOST_WAITING]


def _step(event: dict[str, Any]) -> int:
    step = int(event["step"])
    if not 0 <= step <= LARGEST_INTEGER:
        raise ValueError(f"step {step} out of range")
    return step


def _time(event: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(float(event["at"]), UTC)


def _storable(text: str) -> str:
    """PostgreSQL takes neither the character NUL nor half of a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()
