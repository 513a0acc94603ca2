"""The kinds of feedback. A new kind is a file here, a line in KINDS, and templates/annotate/kinds/<slug>.html."""

from annotate.kinds import chat, critique, edit, pairwise, ranking, rubric, selection
from annotate.kinds.base import Answer, AnswerError, Kind, Options, Shown

KINDS: dict[str, Kind] = {
    kind.slug: kind
    for kind in (pairwise.KIND, rubric.KIND, chat.KIND, ranking.KIND, selection.KIND, edit.KIND, critique.KIND)
}

__all__ = ["KINDS", "Answer", "AnswerError", "Kind", "Options", "Shown"]
