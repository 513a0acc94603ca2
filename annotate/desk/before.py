"""What a later step has of the item beside its own question: the person's own earlier answers, the other responses."""

from collections.abc import Mapping
from typing import Any

from annotate.desk.answers import Asked, current_parts
from annotate.models import Assignment, Response


def of_step(
    assignment: Assignment, asked: Asked, by_position: Mapping[int, Response], letters: Mapping[int, str]
) -> dict[str, Any]:
    """`earlier`: own answers to the steps before; `others`: responses that this step does not show. No model is named.

    Nothing, and no query, for items of one step.
    """
    if len(asked.steps) < 2:
        return {}
    parts = current_parts(assignment, before=asked.step.number) if asked.step.number else {}
    task = assignment.task
    return {
        "earlier": [
            {
                "kind": part.kind,
                "question": asked.steps[number].question,
                "words": asked.steps[number].kind.say(part.value),
                "value": part.value,
                "letter": letters[part.order[0]] if len(part.order) == 1 and len(letters) > 1 else "",
                "same": list(part.order) == list(asked.shown.order),
            }
            for number, part in sorted(parts.items())
        ],
        "others": [
            {
                "letter": letters[position],
                "text": by_position[position].text,
                "lang": by_position[position].prompt.lang if task.two_prompts else task.prompt.lang,
            }
            for position in assignment.order
            if position not in asked.shown.order
        ],
    }
