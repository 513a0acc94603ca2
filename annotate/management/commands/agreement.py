"""manage.py agreement: how far raters agree in any CSV file. Needs no database."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotate.quality.agreement import DRAWS, LEVELS, Estimate, alpha, cohen_kappas, fleiss_kappa, raw
from annotate.quality.ratings_csv import Columns, Ratings, RatingsError, read

PAIRS_SHOWN = 20


class Command(BaseCommand):
    help = "Agreement of the raters in a CSV file: raw, Cohen's and Fleiss' kappa, Krippendorff's alpha."
    requires_system_checks: list[str] = []  # nothing of the site is used

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="CSV file with a header and a rating a row; - is the standard input")
        parser.add_argument("--unit", required=True, metavar="COL", help="what was rated; several columns: A,B,C")
        parser.add_argument("--rater", required=True, metavar="COL", help="who rated it")
        parser.add_argument("--value", required=True, metavar="COL", help="the value given; empty is missing")
        parser.add_argument("--level", required=True, choices=LEVELS, help="what alpha knows of the values")
        parser.add_argument(
            "--bootstrap", type=whole, default=DRAWS, metavar="N", help=f"resamples (default {DRAWS}; 0: no interval)"
        )
        parser.add_argument("--seed", type=whole, default=0, metavar="S", help="of the resamples (default 0)")
        parser.add_argument(
            "--missing", action="append", default=[], metavar="TEXT", help="a value that means none, such as NA"
        )
        parser.add_argument(
            "--duplicates", choices=("first", "last"), help="which row counts where a rater rated a unit twice"
        )
        parser.add_argument("--encoding", default="utf-8-sig", help="of the file (default: UTF-8)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        columns = Columns(options["unit"], options["rater"], options["value"])
        try:
            ratings = read(
                options["file"], columns, level=options["level"], missing=options["missing"],
                duplicates=options["duplicates"], encoding=options["encoding"],
            )  # fmt: skip
        except RatingsError as error:
            raise CommandError(str(error)) from error
        if ratings.missing:
            self.stderr.write(f"{counted(ratings.missing, 'row')} without a value left out.")
        if ratings.dropped:
            self.stderr.write(
                f"{counted(ratings.dropped, 'row')} left out: of rows by one rater on one unit, "
                f"the {options['duplicates']} counts."
            )
        if options["json"]:
            self.stdout.write(json.dumps(as_dict(ratings, options), ensure_ascii=False, allow_nan=False))
        else:
            self.stdout.write("\n".join(as_lines(ratings, options)))


def whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def pairs_of(ratings: Ratings) -> tuple[dict[str, Estimate], str]:
    """Cohen's kappa of each pair, named a|b; or why there is none."""
    try:
        found = cohen_kappas(ratings.table, draws=0)
    except ValueError as error:
        return {}, str(error)
    return {f"{a}|{b}": estimate for (a, b), estimate in found.items()}, "" if found else "No two raters share a unit."


def as_dict(ratings: Ratings, options: dict[str, Any]) -> dict[str, Any]:
    """The figures; those that are undefined are None, and `reasons` says why. It is absent where there are none."""
    observed, fleiss = raw(ratings.table, draws=0), fleiss_kappa(ratings.table, draws=0)
    found = alpha(ratings.table, level=options["level"], draws=options["bootstrap"], seed=options["seed"])
    pairs, problem = pairs_of(ratings)
    of_pairs = {name: estimate.reason for name, estimate in pairs.items() if estimate.value is None}
    reasons = {
        "raw": observed.reason, "cohen_kappa": problem or of_pairs, "fleiss_kappa": fleiss.reason,
        "alpha": found.reason,
    }  # fmt: skip
    figures: dict[str, Any] = {
        "raw": observed.value,
        "cohen_kappa": {name: estimate.value for name, estimate in pairs.items()},
        "fleiss_kappa": fleiss.value,
        "alpha": {"value": found.value, "low": found.low, "high": found.high},
        "units": ratings.units,
        "raters": ratings.raters,
    }
    given = {name: reason for name, reason in reasons.items() if reason}
    return figures | ({"reasons": given} if given else {})


def as_lines(ratings: Ratings, options: dict[str, Any]) -> list[str]:
    table, level = ratings.table, options["level"]
    drawn = {"draws": options["bootstrap"], "seed": options["seed"]}
    sizes = counted(ratings.raters, "rater"), counted(ratings.units, "unit")
    lines = [
        f"{counted(table.unit.size, 'value')} by {sizes[0]} on {sizes[1]}",
        "",
        f"{'':32}{'value':>8}  {'95% interval':18}{'units':>9}",
        row("raw agreement", raw(table, **drawn)),
        row("Fleiss' kappa", fleiss_kappa(table, **drawn)),
        row(f"Krippendorff's alpha, {level}", alpha(table, level=level, **drawn)),
        "",
    ]
    pairs, problem = pairs_of(ratings)
    if problem:
        return [*lines, f"Cohen's kappa: {problem}"]
    most = sorted(pairs.items(), key=lambda item: -item[1].n)
    lines += [f"Cohen's kappa, {counted(len(most), 'pair')} of raters who share a unit, those who share most first"]
    lines += [row(name, estimate) for name, estimate in most[:PAIRS_SHOWN]]
    if len(most) > PAIRS_SHOWN:
        lines.append(f"{len(most) - PAIRS_SHOWN:,} more; --json prints all.")
    return lines


def row(name: str, estimate: Estimate) -> str:
    value = "n/a" if estimate.value is None else f"{estimate.value:.3f}"
    bounds = "" if estimate.low is None else f"{estimate.low:.3f} to {estimate.high:.3f}"
    reason = f"  {estimate.reason}" if estimate.reason else ""
    return f"{name:32}{value:>8}  {bounds:18}{estimate.n:>9,}{reason}"


def counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
