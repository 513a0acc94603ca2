"""Every number of a leaderboard as rows."""

from collections.abc import Iterator, Sequence

from evaluate.boards.board import Board

COLUMNS = (
    "judge", "judge_kind", "model", "opponent", "rating", "rating_low", "rating_high", "win_rate", "win_rate_low",
    "win_rate_high", "battles", "prompts",
)  # fmt: skip
Cell = str | float | int | None


def rows(found: Sequence[Board]) -> Iterator[dict[str, Cell]]:
    """A row a model and voice (opponent empty), and a row a pair that met, from both sides."""
    for board in found:
        who: dict[str, Cell] = {"judge": board.voice.key, "judge_kind": board.voice.kind_words}
        for model in board.order:
            rating, rate = board.rating(model), board.rates[model]
            yield who | {
                "model": model, "opponent": "", "rating": rating.value if rating else None,
                "rating_low": rating.low if rating else None, "rating_high": rating.high if rating else None,
                "win_rate": rate.value, "win_rate_low": rate.low, "win_rate_high": rate.high, "battles": rate.n,
                "prompts": rate.clusters,
            }  # fmt: skip
        for (model, opponent), rate in board.pairs.items():
            yield who | {
                "model": model, "opponent": opponent, "rating": None, "rating_low": None, "rating_high": None,
                "win_rate": rate.value, "win_rate_low": rate.low, "win_rate_high": rate.high, "battles": rate.n,
                "prompts": rate.clusters,
            }  # fmt: skip
