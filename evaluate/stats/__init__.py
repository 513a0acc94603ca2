"""Statistics as pure functions: arrays in, frozen dataclasses with intervals out. Knows neither Django nor the apps."""

from evaluate.stats.accuracy import accuracy_of
from evaluate.stats.bradley_terry import Rating, Ratings, bradley_terry
from evaluate.stats.estimate import UNDEFINED, Estimate
from evaluate.stats.length_bias import length_coefficient, longer_wins
from evaluate.stats.position import PositionRow, first_slot_rate, first_slot_rates
from evaluate.stats.win_rate import clustered_win_rate, wilson, win_rate

__all__ = [
    "UNDEFINED", "Estimate", "PositionRow", "Rating", "Ratings", "accuracy_of", "bradley_terry", "clustered_win_rate",
    "first_slot_rate", "first_slot_rates", "length_coefficient", "longer_wins", "wilson", "win_rate",
]  # fmt: skip
