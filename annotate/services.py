"""Everything that annotators' acts write, by name: the one module that views, simulations and tests call.

Giving out work is in annotate.queue, storing answers in annotate.answers, skip, undo and change in annotate.changes,
and what is typed and not sent in annotate.drafts.
"""

from annotate.answers import Asked, Contradicts, Refused, asked_of, record_feedback
from annotate.changes import changeable, last_answered, revise, sent_back_to, skip, undo
from annotate.drafts import DraftConflict, save_draft
from annotate.kinds import AnswerError
from annotate.queue import create_task, expire_leases, held_assignment, lease, next_assignment, shown_order

__all__ = [
    "AnswerError", "Asked", "Contradicts", "DraftConflict", "Refused", "asked_of", "changeable", "create_task",
    "expire_leases", "held_assignment", "last_answered", "lease", "next_assignment", "record_feedback", "revise",
    "save_draft", "sent_back_to", "shown_order", "skip", "undo",
]  # fmt: skip
