"""length: how often the longer response wins, and how hard length pulls, by voters and by each judge.

Length is in characters, compared within a prompt. A judge that is blind to length scores 50% and a pull of 0; one
that was asked to prefer short answers should not.
"""

from accounts.models import Project
from evaluate.battles import Battles, judged, voted
from evaluate.benchmarks.base import Result
from evaluate.stats import length_coefficient, longer_wins
from evaluate.stats.length_bias import FAIR_COEFFICIENT, FAIR_RATE

TOWARDS = ("the longer", "the shorter")


def run(project: Project) -> list[Result]:
    found = [*voted(project, lengths=True, same_model=True), *judged(project, lengths=True, same_model=True)]
    return [result for battles in found for result in of(battles)]


def of(battles: Battles) -> list[Result]:
    lengths = battles.first_length, battles.second_length
    rate = longer_wins(*lengths, battles.outcome, clusters=battles.prompt)
    pull = length_coefficient(*lengths, battles.outcome, clusters=battles.prompt)
    even = len(battles) - rate.n
    return [
        Result("length", "chooses the longer", battles.voice, rate, FAIR_RATE, TOWARDS, left_out=even),
        Result("length", "pull of length", battles.voice, pull, FAIR_COEFFICIENT, TOWARDS, unit="log-odds"),
    ]
