"""manage.py length_controlled: AlpacaEval 2's win rate at equal length, from any CSV file. Needs no database."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evaluate.files.judged import judged_models
from evaluate.files.table import FileProblem
from evaluate.files.text import counted, figure, interval, table, whole
from evaluate.stats.length_control import DRAWS, LengthControlled, length_controlled


class Command(BaseCommand):
    help = (
        "Win rate against a baseline, and what it would be were all answers as long as the baseline's (AlpacaEval 2). "
        "Columns: model, index, preference (0 to 1 for the model, nothing if it cannot be read), length, "
        "baseline_length; difficulty and weight may be there. Rows with a weight other than 1 belong to models that "
        "share the fit of the others and are not rated themselves; AlpacaEval 2 has two, with 0.1."
    )
    requires_system_checks: list[str] = []  # nothing of the site is used

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="JUDGED.csv", help="a header and an answer a row; - is the standard input")
        parser.add_argument(
            "--bootstrap", type=whole, default=DRAWS, metavar="N",
            help=f"resamples for the interval of the length-controlled rate (default {DRAWS}; 0: none)",
        )  # fmt: skip
        parser.add_argument("--seed", type=whole, default=0, metavar="S", help="of the resamples (default 0)")
        parser.add_argument("--encoding", default="utf-8-sig", help="of the file (default: UTF-8)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        found = {}
        try:
            models = judged_models(options["file"], encoding=options["encoding"])
            for name, judged in models.rated.items():
                found[name] = self.rated(name, judged, tuple(models.shared.values()), options)
        except FileProblem as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            rows = [{"model": name, **as_dict(one)} for name, one in found.items()]
            printed = {"models": rows, "sharing_the_fit": list(models.shared)}
            self.stdout.write(json.dumps(printed, ensure_ascii=False, allow_nan=False))
        else:
            self.stdout.write("\n".join(as_lines(found, list(models.shared))))

    def rated(self, name: str, judged: Any, shared: Any, options: dict[str, Any]) -> LengthControlled:
        try:
            return length_controlled(judged, shared, draws=options["bootstrap"], seed=options["seed"])
        except ValueError as error:
            raise CommandError(f"{name}: {error}") from error


def as_dict(one: LengthControlled) -> dict[str, float | int | None]:
    length, difficulty, model = one.coefficients
    return {
        "win_rate": one.win_rate.value, "standard_error": one.standard_error, "low": one.win_rate.low,
        "high": one.win_rate.high, "lc_win_rate": one.lc_win_rate.value, "lc_low": one.lc_win_rate.low,
        "lc_high": one.lc_win_rate.high, "C": one.C, "length_coefficient": length,
        "difficulty_coefficient": difficulty, "model_coefficient": model, "unparseable": one.unparseable,
        "n": one.win_rate.n,
    }  # fmt: skip


def as_lines(found: dict[str, LengthControlled], shared: list[str]) -> list[str]:
    rows = []
    for name, one in sorted(found.items(), key=lambda item: -(item[1].lc_win_rate.value or 0)):
        raw, lc = one.win_rate, one.lc_win_rate
        rows.append(
            [name, figure(lc.value, 2), interval(lc.low, lc.high, 2), figure(raw.value, 2),
             figure(one.standard_error, 2), f"{one.C:.4g}", f"{raw.n:,}", f"{one.unparseable:,}"]
        )  # fmt: skip
    header = ["model", "LC win rate", "95% interval", "win rate", "standard error", "C", "judged", "unparseable"]
    lines = table(header, rows)
    if shared:
        lines += ["", f"{counted(len(shared), 'model')} with weights shared each fit: {', '.join(shared)}."]
    return lines
