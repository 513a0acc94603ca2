"""The kinds of feedback. A new kind is a file here, a line in KINDS, and templates/annotate/kinds/<slug>.html."""

from annotate.kinds import pairwise
from annotate.kinds.base import Answer, AnswerError, Kind

KINDS: dict[str, Kind] = {"pairwise": pairwise.KIND}

__all__ = ["KINDS", "Answer", "AnswerError", "Kind"]
