"""python manage.py export: a frozen dataset, or what people answered, to a file or to standard output."""

import argparse
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Project
from exchange.exports import consent, kept
from exchange.exports.errors import ExportError
from exchange.exports.formats import FORMATS
from exchange.exports.notes import notes
from exchange.exports.stream import Export, prepare
from registry.specs import ExportSpec, SpecError, parse


class Command(BaseCommand):
    help = (
        "Write a frozen dataset (--dataset prefs-v3), the answers with their full history (--raw), those that stand "
        "(--answers) or the prompts with their responses (--items) to a file. People have pseudonyms unless --people "
        "says otherwise. The audit log keeps a line of it."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--dataset", default="", metavar="NAME-vN")
        what.add_argument("--raw", action="store_const", const="events", dest="what")
        what.add_argument("--answers", action="store_const", const="answers", dest="what")
        what.add_argument("--items", action="store_const", const="items", dest="what")
        parser.add_argument("--format", default="plain", choices=list(FORMATS))
        parser.add_argument("--file", default="jsonl", choices=["jsonl", "json", "parquet", "csv"])
        parser.add_argument("--compress", default="none", choices=["none", "gzip", "zstd"])
        parser.add_argument("--people", default="pseudonyms", choices=["pseudonyms", "names", "left_out"])
        parser.add_argument("--split", action="append", default=[], choices=["train", "held_out"])
        parser.add_argument(
            "--withdrawn", default="refuse", choices=["refuse", "include"],
            help="a dataset that holds answers of people who have withdrawn consent since: refuse it, or include them",
        )  # fmt: skip
        parser.add_argument("--no-extras", action="store_true", help="only what the format's readers need")
        parser.add_argument("--no-comments", action="store_true", help="leave out what annotators wrote about answers")
        parser.add_argument("--no-timing", action="store_true", help="leave out time and the order shown")
        parser.add_argument("--bom", action="store_true", help="begin a CSV with the mark that Excel looks for")
        parser.add_argument("--out", required=True, metavar="PATH", help="a file, a folder, or - for standard output")
        parser.add_argument(
            "--resume", action="store_true", help="do nothing where the file is there already, whole as it then is"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)[:20]) or "none yet"
            raise CommandError(f"There is no project {options['project']}. There are: {known}.")
        try:
            spec = parse(ExportSpec, settings_of(options))
            assert isinstance(spec, ExportSpec)
            made = prepare(project, spec)
            consent.check(project, spec)
        except (SpecError, ExportError) as error:
            raise CommandError(str(error)) from error
        for sentence in [*consent.warnings(project, spec), *notes(made)]:
            self.stderr.write(self.style.WARNING(sentence))
        written = write(made, options["out"], resume=options["resume"])
        if not written:
            self.stderr.write(f"{options['out']} is there already, and whole. Nothing was written.")
            return
        kept.audit(made, actor=None, way="command")
        self.stderr.write(f"{made.rows:,} rows, {made.size:,} bytes, SHA-256 {made.sha256}")


def settings_of(options: dict[str, Any]) -> dict[str, Any]:
    named = ("dataset", "format", "file", "compress", "people", "bom", "withdrawn")
    return {
        **{name: options[name] for name in named}, "what": options["what"] or "dataset", "splits": options["split"],
        "extras": not options["no_extras"], "comments": not options["no_comments"], "timing": not options["no_timing"],
    }  # fmt: skip


def write(made: Export, out: str, *, resume: bool) -> bool:
    """False where there was nothing to do. A file that is not whole never has its name, so one that is there, is."""
    if out == "-":
        for block in made.blocks():
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
        return True
    path = Path(out)
    if path.is_dir():
        path = path / made.filename
    if resume and path.exists():
        return False
    try:
        with kept.whole_or_nothing(path) as file:
            for block in made.blocks():
                file.write(block)
    except OSError as error:
        raise CommandError(f"{path} could not be written: {error.strerror}. Nothing is left of it.") from error
    return True
