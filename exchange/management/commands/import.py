"""`python manage.py import FILE --project SLUG`: a file into a project, as the page Import does it."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Project, User
from exchange.imports import saved
from exchange.imports.base import RATERS, Becomes, Format, Mapping, Problem, Refused, UnreadableFile
from exchange.imports.check import check
from exchange.imports.detect import columns, detect, guessed_mapping
from exchange.imports.formats import FORMATS
from exchange.imports.outcome import Check, Counts, Outcome
from exchange.imports.take_back import Holds, look, take_back
from exchange.imports.write import write
from exchange.models import Import

GONE = {"prompts": "prompts", "responses": "answers", "tasks": "items", "votes": "votes, kept aside as withdrawn"}
PRINTED = 20
"""Problems that are printed; all of them are in the report."""


class Command(BaseCommand):
    help = (
        "Bring a file into a project: JSONL, JSON, CSV, Parquet or Excel (also .gz, .zst, .zip) in the formats of the "
        "field. Human votes become feedback of named external raters. All of it or nothing, unless --on-bad skip."
    )

    requires_system_checks: list[str] = []  # nothing of the site's pages is used

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", help="the file; for Potato the folder of the project")
        parser.add_argument("--project", default="", metavar="SLUG", help="where it goes")
        parser.add_argument("--undo", type=int, metavar="NUMBER",
                            help="take that import back, but for what somebody has built on")  # fmt: skip
        parser.add_argument(
            "--format", default="auto", choices=("auto", *FORMATS), metavar="NAME",
            help=f"auto looks at the first lines (default); or {', '.join(FORMATS)}",
        )  # fmt: skip
        parser.add_argument(
            "--map", action="append", default=[], metavar="COLUMN=ROLE",
            help='what a column becomes, over what is guessed: score="rating:a:helpfulness", '
            '"pref=winner(1=a, 2=b, 0=tie)", note=skip; may be given again',
        )  # fmt: skip
        parser.add_argument("--mapping", default="", metavar="NAME",
                            help="one that was saved in the project, or a .yaml file; --map goes over it")  # fmt: skip
        parser.add_argument("--save-mapping", default="", metavar="NAME", help="keep what columns became under a name")
        parser.add_argument(
            "--on-bad", choices=("refuse", "skip"), default="refuse", help="what to do with wrong lines"
        )
        parser.add_argument("--dry-run", action="store_true", help="check and count, write nothing")
        parser.add_argument("--raters", default="auto", metavar="HOW",
                            help="; ".join(f"{name}: {words}" for name, words in RATERS.items())
                            + "; any other word is the name of the one rater")  # fmt: skip
        parser.add_argument(
            "--source", default="", help="where the votes are from; the same source has the same raters"
        )
        parser.add_argument("--model", action="append", default=[], metavar="IN_FILE=HERE",
                            help="a model of the file is this model of the project; may be given again")  # fmt: skip
        parser.add_argument(
            "--prompts", type=Path, help="a file with id and text of prompts that this one names by number"
        )
        parser.add_argument("--lang", default="", help="language where no column says (default en)")
        parser.add_argument("--tag", action="append", default=[], help="put on every new prompt; may be given again")
        parser.add_argument("--as-tasks", action="store_true", help="items without votes become open tasks")
        parser.add_argument("--wanted", type=int, default=1, metavar="N", help="raters of an open task (default 1)")
        parser.add_argument(
            "--protocol", default="", metavar="NAME", help="what open tasks ask (default: one comparison)"
        )
        parser.add_argument("--report", type=Path, help="where lines that were left out are written, with the reason")
        parser.add_argument("--user", default="", help="who imports, for the audit log")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["undo"] is not None:
            self.undo(options)
            return
        if options["file"] is None or not options["project"]:
            raise CommandError("Say what to do: a FILE and --project SLUG, or --undo NUMBER.")
        project, user, protocol = named(options)
        path: Path = options["file"]
        try:
            format, mapping = asked_for(path, project, options)
            asked = {"as_tasks": options["as_tasks"], "wanted": options["wanted"], "protocol": protocol}
            if options["dry_run"]:
                found = check(path, format, mapping, project, progress=self.progress(options), **asked)
                self.tell(options, as_dict(format, mapping, found), lines_of(format, mapping, found))
                return
            if options["save_mapping"]:
                saved.keep(project, user, options["save_mapping"], format.slug, mapping)
            done = write(
                path, format, mapping, project, user, on_bad=options["on_bad"],
                report=options["report"] or beside(path),
                progress=self.progress(options), **asked,
            )  # fmt: skip
        except Refused as error:
            raise CommandError("\n".join([*problem_lines(error.problems, error.bad), "", str(error)])) from error
        except (UnreadableFile, ValueError) as error:
            raise CommandError(str(error)) from error
        self.tell(options, as_dict(format, mapping, done), lines_of(format, mapping, done))

    def undo(self, options: dict[str, Any]) -> None:
        made = Import.objects.select_related("project").filter(pk=options["undo"]).first()
        if made is None:
            raise CommandError(f"There is no import {options['undo']}. The page Past imports lists their numbers.")
        user, dry = user_of(options), options["dry_run"]
        try:
            found = look(made) if dry else take_back(made, user)
        except Holds as error:
            raise CommandError(str(error)) from error
        lines = [f"Import {made.pk}, {made.filename}, {'can be' if dry else 'was'} taken back:"]
        lines += [f"  {getattr(found, name):>10,}  {words}" for name, words in GONE.items()]
        lines += ["", "What stays:", *(f"  {one}" for one in found.reasons)] if found.kept else []
        lines += ["", "Nothing is changed (--dry-run)."] if dry else []
        self.tell(options, {"number": made.pk, "written": not dry, **found.as_json()}, lines)

    def tell(self, options: dict[str, Any], found: dict[str, Any], lines: list[str]) -> None:
        self.stdout.write(json.dumps(found, ensure_ascii=False) if options["json"] else "\n".join(lines))

    def progress(self, options: dict[str, Any]) -> Any:
        if options["json"] or not sys.stderr.isatty():
            return None
        return lambda done, total: self.stderr.write(f"\r{done / max(total, 1):4.0%}", ending="")


def beside(path: Path) -> Path:
    """Where the report lies unless somebody says: pairs.csv.gz -> pairs.csv.gz.left-out.csv"""
    return path.with_name(f"{path.name}.left-out.{'csv' if '.csv' in path.name else 'jsonl'}")


def named(options: dict[str, Any]) -> tuple[Project, User | None, Any]:
    project = Project.objects.filter(slug=options["project"]).first()
    if project is None:
        known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)[:20]) or "none"
        raise CommandError(f"There is no project {options['project']}. There are: {known}.")
    user = user_of(options)
    if not 1 <= options["wanted"] <= 50:
        raise CommandError("--wanted is a whole number from 1 to 50.")
    protocol = (
        project.protocols.filter(name=options["protocol"]).order_by("-version").first() if options["protocol"] else None
    )
    if options["protocol"] and protocol is None:
        raise CommandError(f"There is no protocol {options['protocol']} in {project}.")
    return project, user, protocol


def user_of(options: dict[str, Any]) -> User | None:
    user = User.objects.filter(username=options["user"]).first() if options["user"] else None
    if options["user"] and user is None:
        raise CommandError(f"There is no user {options['user']}.")
    return user


def chosen(path: Path, name: str) -> Format:
    if not path.exists():
        raise UnreadableFile(f"There is no file {path}.")
    if name != "auto":
        return FORMATS[name]
    found = detect(path)
    if not found:
        raise UnreadableFile(f"{path.name} is in no format that is known. Say one with --format.")
    return found[0][0]


def asked_for(path: Path, project: Project, options: dict[str, Any]) -> tuple[Format, Mapping]:
    """Of a mapping that was saved, or guessed; with what the command line says over it. Raises ValueError."""
    if not options["mapping"]:
        format = chosen(path, options["format"])
        return format, said(guessed_mapping(path, format), options)
    slug, kept = saved.named(project, options["mapping"])
    if options["format"] not in ("auto", slug):
        raise ValueError(f"The mapping {options['mapping']} is for {slug}, not for {options['format']}.")
    format = chosen(path, slug)
    names = [one.name for one in columns(path, format)]
    if missing := saved.wanted(kept.as_json()) - set(names):
        raise ValueError(
            f"{path.name} has no column {', '.join(sorted(missing)[:5])}, which the mapping {options['mapping']} asks "
            "for. Take another mapping, or say the columns with --map."
        )
    return format, said(saved.applied(kept, guessed_mapping(path, format), names), options)


def said(mapping: Mapping, options: dict[str, Any]) -> Mapping:
    """The guess, with what the command line says. Raises ValueError."""
    changes = {}
    for text in options["map"]:
        column, sign, role = text.partition("=")
        if not sign:
            raise ValueError(f"--map {text} is not COLUMN=ROLE.")
        changes[column.strip()] = Becomes.parse(role)
    taken = {str(one) for one in changes.values()}
    kept = {
        name: one for name, one in mapping.columns.items() if str(one) not in taken or one.role in ("winner", "tags")
    }
    models = dict(text.partition("=")[::2] for text in options["model"])
    raters, name = mapping.raters, mapping.rater_name
    if options["raters"] != "auto" or not options["mapping"]:
        raters, name = (options["raters"], "") if options["raters"] in RATERS else ("one", options["raters"])
    return replace(
        mapping, columns={**kept, **changes}, raters=raters, rater_name=name, models=models,
        tags=options["tag"] or mapping.tags, source=options["source"] or mapping.source,
        lang=options["lang"] or mapping.lang, prompts=str(options["prompts"] or ""),
    )  # fmt: skip


# --- The report -------------------------------------------------------------------------------------------------


def as_dict(format: Format, mapping: Mapping, found: Check | Outcome) -> dict[str, Any]:
    common = {
        "format": format.slug, "mapping": mapping.as_json(), "lines": found.lines, "counts": found.counts.as_json(),
        "problems": [{"line": one.line, "what": one.what, "there": one.there} for one in found.problems],
        "seconds": round(found.seconds, 3),
    }  # fmt: skip
    if isinstance(found, Check):
        return {"written": False, "fits": found.fits, "bad": found.bad, "notes": found.notes, **common}
    report = str(found.report) if found.report else None
    return {
        "written": True,
        "number": found.number,
        "fits": found.written,
        "bad": found.skipped,
        "report": report,
        **common,
    }


def lines_of(format: Format, mapping: Mapping, found: Check | Outcome) -> list[str]:
    fits, bad = (found.fits, found.bad) if isinstance(found, Check) else (found.written, found.skipped)
    lines = [f"Read as {format.title} ({format.slug})."]
    lines += [f"  {name:28} {one}" for name, one in mapping.columns.items()]
    can = "can be" if isinstance(found, Check) else "were"
    lines += ["", f"{fits:,} of {found.lines:,} lines {can} imported in {found.seconds:,.1f} s"]
    lines += [f"  {count:>10,}  {words}" for words, count in counted(found.counts)]
    if isinstance(found, Check):
        lines += ["", *found.notes] if found.notes else []
    lines += problem_lines(found.problems, bad)
    if isinstance(found, Outcome) and found.report:
        lines += ["", f"Lines that were left out, with the reason each: {found.report}"]
    if isinstance(found, Check):
        lines += ["", "Nothing is written (--dry-run)."]
    else:
        lines += ["", f"To take all of it back: python manage.py import --undo {found.number}"]
    return lines


def counted(counts: Counts) -> list[tuple[str, int]]:
    rows = [
        ("new prompts", counts.prompts), ("prompts that were here, joined by key", counts.joined_by_key),
        ("prompts that were here, joined by text", counts.joined_by_text), ("new answers", counts.responses),
        ("of them without a text", counts.without_text), ("new items", counts.items), ("votes", counts.votes),
        ("votes that were here", counts.votes_known),
        ("lines without a vote", counts.without_vote), ("raters", counts.raters),
        ("models", counts.models), ("of them new, without weights", counts.models_new),
    ]  # fmt: skip
    return [(words, count) for words, count in rows if count or words == "new prompts"]


def problem_lines(problems: Any, bad: int) -> list[str]:
    shown: list[Problem] = list(problems)[:PRINTED]
    if not shown:
        return []
    found = ["", f"{bad:,} {'line' if bad == 1 else 'lines'} cannot be imported:"]
    for one in shown:
        found.append(f"  line {one.line:,}: {one.what}")
        found += [f"      {one.there}"] if one.there else []
    return found + ([f"  and {bad - len(shown):,} more"] if bad > len(shown) else [])
