"""Links that show a leaderboard without an account.

A token has 256 random bits and is shown once; kept is its SHA-256. Making and revoking a link is in the audit log.
"""

import hashlib
import secrets
from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from accounts.models import Project, User, record_audit
from evaluate.boards.slices import Slice
from evaluate.models import SharedBoard

LONGEST = 365
"""Days."""


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def make(
    project: Project, *, user: User, title: str, days: int, chosen: Slice, with_texts: bool
) -> tuple[SharedBoard, str]:
    """A new link, and its token, which nobody can read again."""
    if not 1 <= days <= LONGEST:
        raise ValueError(f"A link works for 1 to {LONGEST} days, not {days}.")
    token = secrets.token_urlsafe(32)
    made = SharedBoard.objects.create(
        project=project, title=title, token_hash=digest_of(token), query=chosen.query, with_texts=with_texts,
        made_by=user, expires_at=timezone.now() + timedelta(days=days),
    )  # fmt: skip
    record_audit(
        actor=user, action="leaderboard.shared", project=project, target=title, days=days, with_texts=with_texts,
        **chosen.query,
    )  # fmt: skip
    return made, token


def revoke(board: SharedBoard, *, actor: User) -> None:
    if SharedBoard.objects.filter(pk=board.pk, revoked_at=None).update(revoked_at=timezone.now()):
        record_audit(actor=actor, action="leaderboard.unshared", project=board.project, target=board.title)


def opened(token: str) -> SharedBoard | None:
    """The link of that token, if it still works."""
    found = SharedBoard.objects.select_related("project").filter(token_hash=digest_of(token)).first()
    if found is None or not found.works:
        return None
    SharedBoard.objects.filter(pk=found.pk).update(opened=F("opened") + 1)
    return found
