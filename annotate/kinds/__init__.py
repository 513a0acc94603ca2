"""The kinds of feedback. A new kind is a file here, a line in KINDS, and templates/annotate/kinds/<slug>.html."""

from annotate.kinds import chat, pairwise
from annotate.kinds.base import Answer, AnswerError, Kind, Options, Shown

KINDS: dict[str, Kind] = {kind.slug: kind for kind in (pairwise.KIND, chat.KIND)}

__all__ = ["KINDS", "Answer", "AnswerError", "Kind", "Options", "Shown"]
