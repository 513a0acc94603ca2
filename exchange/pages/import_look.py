"""What the page shows of a file: its format, its columns, and what an import of it would do. Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from accounts.models import Project
from annotate.kinds import KINDS
from exchange.imports.base import SIDES, Answer, Column, Format, Mapping, Record, UnreadableFile
from exchange.imports.check import check
from exchange.imports.detect import columns, detect, guessed_mapping
from exchange.imports.formats import FORMATS
from exchange.imports.outcome import Check
from exchange.models import Upload
from exchange.pages.import_forms import ColumnRow, Wish, rows

LINES = 20_000
"""Lines that are checked while a person waits; the import checks all."""
PROBLEMS_SHOWN = 50
PREVIEW_LINES = 200
"""Lines that are read again to show the next of the samples."""
COLUMNS_SHOWN = 120
"""A form with more fields than Django reads would be refused as a whole."""


class Gone(Exception):
    """The upload's file is not there any more."""


@dataclass
class Look:
    """All that the page says of an upload."""

    upload: Upload
    wish: Wish
    format: Format | None = None
    formats: list[tuple[Format, bool]] = field(default_factory=list)
    """Every format, and whether it fits the file."""
    columns: list[Column] = field(default_factory=list)
    hidden: int = 0
    """Columns beyond COLUMNS_SHOWN, which become what they were guessed to."""
    check: Check | None = None
    problem: str = ""
    """Why nothing of the file can be said."""
    place: int = 0
    """Which of the samples is shown."""

    @property
    def rows(self) -> list[ColumnRow]:
        return rows(self.columns, self.wish, self.check)

    @property
    def grouped(self) -> list[tuple[str, list[Format]]]:
        """The formats as a list to choose from: those that fit, then the others."""
        fitting = [one for one, fits in self.formats if fits]
        others = [one for one, fits in self.formats if not fits]
        return [(name, found) for name, found in (("Fits the file", fitting), ("Other formats", others)) if found]

    @property
    def whole(self) -> bool:
        """Whether every line was checked."""
        return self.check is not None and self.check.lines < LINES

    @property
    def importable(self) -> int:
        """Lines that would come in, of those that were checked."""
        if self.check is None or (self.check.bad and self.wish.on_bad == "refuse"):
            return 0
        return self.check.fits

    @property
    def ready(self) -> bool:
        return self.importable > 0 and not self.wish.problems and not self.problem

    @property
    def sample(self) -> Record | None:
        samples = self.check.samples if self.check else []
        return samples[self.place] if samples else None

    @property
    def before(self) -> int | None:
        return self.place - 1 if self.place else None

    @property
    def after(self) -> int | None:
        return self.place + 1 if self.check and self.place + 1 < len(self.check.samples) else None

    @property
    def votes(self) -> list[tuple[str, list[str]]]:
        """(rater, [what was said]) of the sample."""
        sample = self.sample
        votes = sample.votes if sample else []
        return [(vote.rater, [words(one.kind, one.value) for one in vote.said]) for vote in votes]

    @property
    def answers(self) -> list[tuple[str, Answer]]:
        """(letter, answer) of the sample."""
        return list(zip(SIDES, self.sample.answers, strict=False)) if self.sample else []

    @property
    def models(self) -> list[tuple[str, str]]:
        """(letter, name of its model) of the sample's answers that have one."""
        return [(letter, answer.model) for letter, answer in self.answers if answer.model]

    @property
    def guessed(self) -> int:
        """Columns whose guess wants no look."""
        sure = {column.name: column.sure for column in self.columns}
        return sum(sure[row.column.name] and row.verdict != "look" for row in self.rows)

    @property
    def langs(self) -> str:
        """en 6,102, ja 1,880"""
        langs = sorted(self.check.counts.langs.items(), key=lambda one: -one[1]) if self.check else []
        shown = ", ".join(f"{lang} {count:,}" for lang, count in langs[:6])
        return f"{shown} and {len(langs) - 6} more" if len(langs) > 6 else shown

    @property
    def why_not(self) -> str:
        """Why it cannot be imported as it is."""
        if self.problem or self.check is None:
            return "Import is off: what the page says at its top has to be mended first."
        if self.wish.problems:
            count = len(self.wish.problems)
            return f"Import is off: {count} thing{'' if count == 1 else 's'} to mend, marked where {self.them(count)}."
        if self.check.bad and self.check.fits:
            lines = f"{self.check.bad:,} line{'' if self.check.bad == 1 else 's'}"
            return f"Import is off: {lines} cannot be read. Mend the file, or skip them."
        return "Import is off: no line can be imported."

    @staticmethod
    def them(count: int) -> str:
        return "it is" if count == 1 else "they are"


def words(kind: str, value: Any) -> str:
    return KINDS[kind].say(value) if kind in KINDS else str(value)[:80]


def begin(upload: Upload, project: Project) -> Wish:
    """What was wished for when the page was last open; for a new file what is guessed. Raises UnreadableFile."""
    if upload.format in FORMATS:
        return Wish.kept(upload, project)
    found = detect(upload.file, filename=upload.filename)
    if not found:
        raise UnreadableFile(
            "None of the formats fits the first lines of this file. Choose one below, and say what its columns are."
        )
    return with_format(Wish.kept(upload, project), upload, found[0][0])


def with_format(wish: Wish, upload: Upload, format: Format) -> Wish:
    """The same wish for another format: its columns are guessed again, what holds for any file is kept."""
    guessed = guessed_mapping(upload.file, format, filename=upload.filename)
    old = wish.mapping
    if wish.format:
        guessed = replace(guessed, lang=old.lang, tags=old.tags, source=old.source or guessed.source)
    return replace(wish, format=format.slug, mapping=guessed)


def columns_of(upload: Upload, format: Format) -> list[Column]:
    return columns(upload.file, format, filename=upload.filename)


def look(upload: Upload, wish: Wish, project: Project, *, place: int = 0, lines: int | None = None) -> Look:
    """Check the upload as the wish has it. What is wrong with it as a whole is `problem`."""
    if not upload.file.exists():
        raise Gone
    found = Look(upload, wish, FORMATS.get(wish.format), formats_for(upload))
    if found.format is None:
        found.problem = found.problem or "Choose what this file is."
        return found
    try:
        every = columns_of(upload, found.format)
        found.columns, found.hidden = every[:COLUMNS_SHOWN], len(every[COLUMNS_SHOWN:])
        found.check = check(
            upload.file, found.format, wish.mapping, project, as_tasks=wish.as_tasks, wanted=wish.wanted,
            protocol=wish.protocol, limit=lines or LINES, filename=upload.filename,
        )  # fmt: skip
    except ValueError as error:  # UnreadableFile is one
        found.problem = str(error)
    else:
        found.place = min(max(place, 0), max(len(found.check.samples) - 1, 0))
    return found


def formats_for(upload: Upload) -> list[tuple[Format, bool]]:
    try:
        fitting = {format.slug for format, likely in detect(upload.file, filename=upload.filename) if likely > 0}
    except UnreadableFile:
        fitting = set()
    return sorted(((one, one.slug in fitting) for one in FORMATS.values()), key=lambda one: not one[1])


def mapping_of(columns: Sequence[Column], mapping: Mapping) -> Mapping:
    """With a say on every column, so that what is kept does not change when the guesses do."""
    return replace(mapping, columns={one.name: mapping.columns.get(one.name, one.guessed) for one in columns})
