"""manage.py judge_report: how right and how consistent a judge is, from any CSV file. Needs no database."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evaluate.files.decisions import decisions
from evaluate.files.table import FileProblem
from evaluate.files.text import figure, interval, table, whole
from evaluate.stats.decisions import Report, judge_report
from evaluate.stats.win_rate import DRAWS

FIGURES = ("single_accuracy", "pair_accuracy", "agreement", "first_slot")


class Command(BaseCommand):
    help = (
        "Single accuracy, pair accuracy and agreement of a judge who saw each pair in both orders. Columns: item, "
        "subset (may be absent), label (1 or 2, the better response), first (the choice in the given order) and "
        "second (the choice after swapping, mapped back): 1, 2, 0 for a tie, nothing for an output that cannot be read."
    )
    requires_system_checks: list[str] = []  # nothing of the site is used

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="DECISIONS.csv", help="a header and an item a row; - is the standard input")
        parser.add_argument(
            "--bootstrap", type=whole, default=DRAWS, metavar="N",
            help=f"resamples of items for single accuracy (default {DRAWS})",
        )  # fmt: skip
        parser.add_argument("--seed", type=whole, default=0, metavar="S", help="of the resamples (default 0)")
        parser.add_argument("--encoding", default="utf-8-sig", help="of the file (default: UTF-8)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["bootstrap"]:
            raise CommandError("--bootstrap needs 1 resample at least.")
        try:
            found = decisions(options["file"], encoding=options["encoding"])
        except FileProblem as error:
            raise CommandError(str(error)) from error
        drawn = {"draws": options["bootstrap"], "seed": options["seed"]}
        overall = judge_report(found.labels, found.first, found.second, **drawn)
        subsets = {}
        for name in found.subsets:
            own = found.subset == name
            subsets[name] = judge_report(found.labels[own], found.first[own], found.second[own], **drawn)
        if options["json"]:
            report = {"overall": as_dict(overall), "subsets": {name: as_dict(one) for name, one in subsets.items()}}
            self.stdout.write(json.dumps(report, ensure_ascii=False, allow_nan=False))
        else:
            self.stdout.write("\n".join(as_lines({**subsets, "overall": overall})))


def as_dict(report: Report) -> dict[str, float | int | None]:
    found: dict[str, float | int | None] = {}
    for name in FIGURES:
        estimate = getattr(report, name)
        found |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return found | {"unparseable": report.unparseable, "ties": report.ties, "n": report.n}


def as_lines(reports: dict[str, Report]) -> list[str]:
    header = ["subset"]
    for name in FIGURES:
        header += [name.replace("_", " "), "95% interval"]
    rows = []
    for name, report in reports.items():
        row = [name]
        for estimate in (getattr(report, column) for column in FIGURES):
            row += [figure(estimate.value, 3), interval(estimate.low, estimate.high, 3)]
        rows.append([*row, f"{report.unparseable:,}", f"{report.ties:,}", f"{report.n:,}"])
    return table([*header, "unparseable", "ties", "items"], rows)
