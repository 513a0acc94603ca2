"""manage.py leaderboard: ratings from any CSV file of battles. Needs no database."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError

from evaluate.files.board import Board, Outcomes, Row, StyleColumns, battles_of, features_of
from evaluate.files.table import FileProblem, read
from evaluate.files.text import counted, figure, interval, table, whole
from evaluate.stats.arena import ROUNDS, Strengths, arena
from evaluate.stats.rankings import METHODS, ranking
from evaluate.stats.style import Coefficient, style_controlled

BRADLEY_TERRY = "bradley-terry"
STYLE_HELP = (
    "a feature to hold equal, such as length: the columns COL_left and COL_right (or left_COL and right_COL) become "
    "(a - b) / (a + b + 1); a column called COL itself is taken as the difference already; NAME=A:B names two columns"
)


class Command(BaseCommand):
    help = (
        "Ratings of the models in a CSV file of battles: Bradley-Terry as Chatbot Arena has it, a tie half a win to "
        "each, with bootstrap intervals; or Elo and others by --method."
    )
    requires_system_checks: list[str] = []  # nothing of the site is used

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="BATTLES.csv", help="a header and a battle a row; - is the standard input")
        parser.add_argument("--left", required=True, metavar="COL", help="the model on the left")
        parser.add_argument("--right", required=True, metavar="COL", help="the model on the right")
        parser.add_argument("--winner", required=True, metavar="COL", help="who won")
        parser.add_argument("--left-value", default="left", help="says that the left won (default: left)")
        parser.add_argument("--right-value", default="right", help="says that the right won (default: right)")
        parser.add_argument(
            "--tie-value", action="append", help="says that neither did (default: tie); may be repeated"
        )
        parser.add_argument("--skip-value", action="append", default=[], help="a value whose rows are left out")
        parser.add_argument(
            "--method", default=BRADLEY_TERRY, choices=[BRADLEY_TERRY, *METHODS], help=f"default: {BRADLEY_TERRY}"
        )
        parser.add_argument(
            "--bootstrap", type=whole, default=ROUNDS, metavar="N", help=f"resamples (default {ROUNDS}; 0: no interval)"
        )
        parser.add_argument("--seed", type=whole, default=0, metavar="S", help="of the resamples (default 0)")
        parser.add_argument("--style", nargs="+", action="extend", default=[], metavar="COL", help=STYLE_HELP)
        parser.add_argument("--anchor", type=anchor, metavar="MODEL=1114", help="where the ratings are put")
        parser.add_argument(
            "--scale", default="elo", choices=("elo", "none"),
            help="elo: points, 400 are odds of 10 to 1, the mean is 1,000. none: log-strengths, and the strengths "
            "normalised to sum 1 as the score",
        )  # fmt: skip
        parser.add_argument(
            "--prior", type=amount, default=0.0, metavar="W", help="wins a side that each pair has on top (default 0)"
        )
        parser.add_argument(
            "--penalty", type=amount, default=0.0, metavar="P", help="of --style; 0.5 is the Arena's own (default 0)"
        )
        parser.add_argument("--encoding", default="utf-8-sig", help="of the file (default: UTF-8)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            refuse_what_does_not_fit(options)
            board = self.board(options)
        except (FileProblem, ValueError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(board.as_dict(), ensure_ascii=False, allow_nan=False))
        else:
            self.stdout.write("\n".join(as_lines(board)))

    def board(self, options: dict[str, Any]) -> Board:
        places = (options["left"], options["right"], options["winner"])
        style = [StyleColumns.named(text) for text in options["style"]]
        optional = [column for feature in style for column in feature.possible]
        rows = read(options["file"], places, optional=optional, encoding=options["encoding"])
        outcomes = Outcomes(options["left_value"], options["right_value"],
                            tuple(options["tie_value"] or ["tie"]), tuple(options["skip_value"]))  # fmt: skip
        kept, fought = battles_of(rows, *places, outcomes)
        if left_out := len(rows) - len(kept):
            self.stderr.write(f"{counted(left_out, 'row')} left out.")
        drawn = {"rounds": options["bootstrap"], "seed": options["seed"]}
        coefficients: tuple[Coefficient, ...] = ()
        if options["method"] != BRADLEY_TERRY:
            found = ranking(fought, options["method"], **drawn)
            shift = shift_of(options["anchor"], found.names, found.values)
            columns = {"rating": (found.values + shift, found.low + shift, found.high + shift)}
        elif style:
            features = features_of(rows, kept, style)
            styled = style_controlled(fought, features, [feature.name for feature in style],
                                      penalty=options["penalty"], **drawn)  # fmt: skip
            coefficients, columns = styled.coefficients, columns_of(styled.strengths, options)
        else:
            columns = columns_of(arena(fought, prior=options["prior"], **drawn), options)
        return Board(
            options["method"], fought.scores.size, options["bootstrap"], options["seed"],
            rows=Row.all(fought, columns), coefficients=coefficients,
        )  # fmt: skip


def columns_of(strengths: Strengths, options: dict[str, Any]) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    if options["scale"] == "none":
        return {"rating": strengths.logs(), "score": strengths.shares()}
    return {"rating": strengths.points(options["anchor"])}


def shift_of(anchored: tuple[str, float] | None, names: tuple[str, ...], values: np.ndarray) -> float:
    if anchored is None:
        return 0.0
    if anchored[0] not in names:
        raise ValueError(f"{anchored[0]}, the anchor, has no battles. Models with battles: {', '.join(names[:10])}.")
    return anchored[1] - float(values[names.index(anchored[0])])


def refuse_what_does_not_fit(options: dict[str, Any]) -> None:
    method = options["method"]
    if method != BRADLEY_TERRY:
        for name, given in (("style", options["style"]), ("prior", options["prior"]), ("penalty", options["penalty"])):
            if given:
                raise ValueError(f"--{name} belongs to --method {BRADLEY_TERRY}; {method} has no such thing.")
        if options["anchor"] and method != "elo":
            raise ValueError(f"--anchor moves ratings in points; the scores of {method} are none.")
    if options["anchor"] and options["scale"] == "none":
        raise ValueError("--anchor is in points; leave it out, or leave out --scale none.")
    if options["style"] and options["prior"]:
        raise ValueError("--prior is for ratings without --style; with it, --penalty bounds the ratings.")
    if options["penalty"] and not options["style"]:
        raise ValueError("--penalty belongs to --style; without it, --prior bounds the ratings.")


def as_lines(board: Board) -> list[str]:
    places = 1 if board.in_points else 4
    header = ["model", "rating", "95% interval", "win rate", "95% interval", "battles"]
    rows = [
        [
            row.model, figure(row.rating, places), interval(row.low, row.high, places), figure(row.win_rate, 3),
            interval(row.win_rate_low, row.win_rate_high, 3), f"{row.battles:,}",
        ]
        for row in board.rows
    ]  # fmt: skip
    if board.rows[0].score is not None:
        header.insert(1, "score")
        for line, row in zip(rows, board.rows, strict=True):
            line.insert(1, figure(row.score, 4))
    lines = [f"{counted(board.battles, 'battle')} of {counted(len(board.rows), 'model')}, {board.method}", ""]
    lines += table(header, rows)
    if board.coefficients:
        styles = [[c.feature, figure(c.value, 3), interval(c.low, c.high, 3)] for c in board.coefficients]
        lines += ["", "What one standard deviation of a feature adds to the log-odds of the left"]
        lines += table(["feature", "coefficient", "95% interval"], styles)
    return lines


def anchor(text: str) -> tuple[str, float]:
    name, separator, points = text.rpartition("=")
    try:
        value = float(points)
    except ValueError:
        value = float("nan")
    if not separator or not name or not np.isfinite(value):
        raise ArgumentTypeError(f"{text!r} is not a model and its points, such as gpt-4=1114")
    return name, value


def amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return value
