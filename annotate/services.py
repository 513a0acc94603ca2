"""Everything that annotators' acts write, by name: the one module that views, simulations and tests call.

What they do is in annotate.desk: queue gives out work, answers stores it, changes is skip, undo and change, and drafts
is what was typed and not sent.
"""

from annotate.desk.answers import Asked, Contradicts, Refused, asked_of, record_feedback
from annotate.desk.changes import changeable, last_answered, revise, sent_back_to, skip, undo
from annotate.desk.drafts import DraftConflict, save_draft
from annotate.desk.queue import create_task, expire_leases, held_assignment, lease, next_assignment, shown_order
from annotate.kinds import AnswerError

__all__ = [
    "AnswerError", "Asked", "Contradicts", "DraftConflict", "Refused", "asked_of", "changeable", "create_task",
    "expire_leases", "held_assignment", "last_answered", "lease", "next_assignment", "record_feedback", "revise",
    "save_draft", "sent_back_to", "shown_order", "skip", "undo",
]  # fmt: skip
