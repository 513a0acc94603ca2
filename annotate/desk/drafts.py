"""Drafts on the server. A tab that knows an older one may not overwrite it."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction

from accounts.models import User
from annotate.desk.answers import Refused, Status
from annotate.desk.queue import (
    lease_end,
)
from annotate.models import (
    Assignment,
)

MAX_DRAFT = 400_000
"""Characters of a draft. An edit of a long response fits, an upload does not."""


@dataclass(frozen=True)
class Draft:
    version: int
    fields: dict[str, str]
    step: int


class DraftConflict(Exception):
    """Another tab or computer has saved a newer draft; nothing was overwritten."""

    def __init__(self, newer: Draft) -> None:
        super().__init__("A newer draft of this task was saved in another tab or on another computer.")
        self.newer = newer


@transaction.atomic
def save_draft(
    *, assignment: Assignment, annotator: User, step: int, version: int, fields: Mapping[str, str], at: int = 0
) -> int:
    """Keep what is chosen and typed; returns the draft's new version. Raises DraftConflict, Refused.

    `at`: when it was typed by the clock of the computer, in milliseconds since 1970; the page that comes back to it
    shows the later of this one and of what that computer has kept itself.
    """
    if sum(len(name) + len(text) for name, text in fields.items()) > MAX_DRAFT:
        raise Refused(f"The draft is longer than {MAX_DRAFT:,} characters and is kept on this computer only.")
    locked = Assignment.objects.select_for_update(of=("self",)).get(pk=assignment.pk, annotator=annotator)
    if locked.status == Status.SUBMITTED or locked.step != step:
        raise Refused("This step is answered already; its draft is not needed any more.")
    if version != locked.draft_version:
        draft = locked.draft or {}
        raise DraftConflict(Draft(locked.draft_version, draft.get("fields", {}), draft.get("step", 0)))
    locked.draft = {"step": step, "at": at, "fields": {storable(name): storable(one) for name, one in fields.items()}}
    locked.draft_version += 1
    if locked.status == Status.LEASED:
        locked.lease_until = lease_end()  # whoever writes is at work
    locked.save(update_fields=["draft", "draft_version", "lease_until"])
    return locked.draft_version


def storable(text: str) -> str:
    """Without what PostgreSQL cannot keep: NUL, and halves of characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
