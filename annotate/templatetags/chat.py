"""What the template of a chat shows beside what every kind is given."""

from typing import Any

from django import template
from django.urls import reverse

from annotate.chat import turns as chat_turns
from annotate.models import Assignment

register = template.Library()


@register.simple_tag
def chat_of(assignment: Assignment, changing: bool = False) -> dict[str, Any]:
    """The conversation so far, both answers as far as they are shown, and where the page sends what is said."""
    state = chat_turns.chat_of(assignment)
    slug, pk = assignment.task.project.slug, assignment.pk
    page = chat_turns.page(state)
    return {
        **page,
        "phase": "over" if changing else page["phase"],
        "thread": chat_turns.thread(state),
        "picks": len(state.picks),
        "urls": {name: reverse(f"chat-{name}", args=[slug, pk]) for name in ("turn", "stop", "again", "undo")},
    }
