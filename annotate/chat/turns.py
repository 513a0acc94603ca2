"""What is said and picked in a chat, and what stays of it.

Each picked turn is stored at once as a comparison like any other: a Prompt with the conversation so far, two
Responses, a Task of purpose `turn` under the chat's own, an Assignment and a Feedback. Ending the chat answers its own
task with the list of its turns. Each function that writes is one transaction, with locks as in annotate.desk.queue.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from annotate import services
from annotate.chat import replies as chat
from annotate.design.protocols import steps_of
from annotate.desk import answers, drafts, queue
from annotate.kinds.base import LETTERS, Answer, AnswerError
from annotate.kinds.chat import KIND, ChatOptions, Ended, parse_message, parse_pick
from annotate.models import Assignment, ChatReply, Feedback, Prompt, Response, Task, TaskResponse
from annotate.services import Refused

Message = dict[str, str]
Purpose, Status = Task.Purpose, ChatReply.Status


def options_of(task: Task) -> ChatOptions:
    options = steps_of(task)[0].options
    return options if isinstance(options, ChatOptions) else ChatOptions()


# Reading


@dataclass(frozen=True)
class Said:
    """One line of the conversation so far."""

    role: str
    text: str
    picked: str = ""
    """The letter under which the assistant's words were picked."""


@dataclass(frozen=True)
class Chat:
    """A chat as it stands."""

    assignment: Assignment
    replies: Sequence[ChatReply]
    """Both answers of the newest turn in canonical order; empty before the first message."""
    picks: Mapping[int, Feedback]
    """The current answer to each turn, by its number."""

    @property
    def turn(self) -> int:
        return self.replies[0].turn if self.replies else 0

    @property
    def order(self) -> list[int]:
        return chat.order_of(self.assignment, self.turn)

    @property
    def phase(self) -> str:
        """first: nothing is said yet; writing; failed: an answer is missing; ready: to be picked; picked: to go on."""
        if not self.replies:
            return "first"
        if self.turn in self.picks:
            return "picked"
        if any(reply.status in chat.UNFINISHED for reply in self.replies):
            return "writing"
        return "failed" if any(is_missing(reply) for reply in self.replies) else "ready"


def is_missing(reply: ChatReply) -> bool:
    return reply.status == Status.FAILED or (reply.status == Status.STOPPED and not reply.text)


def chat_of(assignment: Assignment) -> Chat:
    return Chat(assignment, chat.replies_of(assignment), picks_of(assignment))


def picks_of(assignment: Assignment) -> dict[int, Feedback]:
    found = Feedback.current.filter(
        task__parent_id=assignment.task_id, annotator_id=assignment.annotator_id, kind=KIND.slug
    )
    return {int(one.value["turn"]): one for one in found.order_by("pk")}


def continued(pick: Feedback, replies: Sequence[ChatReply]) -> ChatReply | None:
    """The answer that the conversation goes on from; None when both were bad."""
    side = str(pick.value.get("continues", ""))
    return replies[pick.order["ab".index(side)]] if side else None


def thread(state: Chat) -> list[Said]:
    """The conversation up to what is asked now, without what was too bad to go on from."""
    by_turn: dict[int, list[ChatReply]] = {}
    for reply in ChatReply.objects.filter(assignment=state.assignment).order_by("turn", "position"):
        by_turn.setdefault(reply.turn, []).append(reply)
    lines: list[Said] = []
    for turn, replies in by_turn.items():
        pick = state.picks.get(turn)
        kept = continued(pick, replies) if pick else None
        if kept is not None and pick is not None:
            lines.append(Said("user", replies[0].messages[-1]["content"]))
            lines.append(Said("assistant", kept.text, LETTERS[list(pick.order).index(kept.position)]))
    if state.replies and state.phase != "picked":
        lines.append(Said("user", state.replies[0].messages[-1]["content"]))
    return lines


def conversation(state: Chat, options: ChatOptions) -> list[Message]:
    """What the next message is added to."""
    if not state.replies:
        system = [one["content"] for one in state.assignment.task.prompt.messages if one["role"] == "system"]
        text = "\n\n".join([*system, *([options.system] if options.system else [])])
        return [{"role": "system", "content": text}] if text else []
    messages = list(state.replies[0].messages)
    kept = continued(state.picks[state.turn], state.replies)
    # What got two bad answers is said anew, so that the conversation has no hole.
    return [*messages, {"role": "assistant", "content": kept.text}] if kept else messages[:-1]


# Going on


def go_on(
    *, assignment: Assignment, annotator: User, data: Mapping[str, str], idempotency_key: uuid.UUID, active_ms: int = 0
) -> None:
    """Store a pick if one is due, then begin the next turn with `message`, or end the chat (`action` is "end").

    Both bad asks for two new answers to the same message. Sent twice, it is done once. Raises AnswerError when
    something is missing, Refused when the chat has gone on elsewhere.
    """
    options = options_of(assignment.task)
    try:
        with transaction.atomic():
            held = locked(assignment, annotator, idempotency_key)
            if held is None:
                return
            state = chat_of(held)
            message = parse_message(data)
            if str(state.turn) != data.get("turn", ""):
                if is_same_message(state, data, message):
                    return  # the same form again
                raise Refused("This chat went on in another tab. What is shown now is where it stands.")
            if data.get("action") == "end":
                end(state, annotator, data, idempotency_key, active_ms)
                return
            if state.phase in {"first", "picked"}:
                if not message:
                    raise AnswerError("The message is empty. Write what you want to say, then send it.")
                messages = [*conversation(state, options), {"role": "user", "content": message}]
            else:
                messages = next_messages(state, annotator, data, message, idempotency_key, active_ms)
            chat.begin_turn(held, messages, options)
            forget_draft(held)
    except IntegrityError as error:
        raise Refused(answers.collision(error)) from error


def locked(assignment: Assignment, annotator: User, idempotency_key: uuid.UUID) -> Assignment | None:
    """The chat, held; None when this very form was stored already, also if the chat has ended with it."""
    queue.lock_person(annotator)
    seen = Feedback.objects.filter(idempotency_key=idempotency_key).select_related("task").first()
    if seen is None:
        return chat.hold(assignment, annotator)
    if seen.annotator_id != annotator.pk or assignment.task_id not in {seen.task_id, seen.task.parent_id}:
        raise Refused("This form was already used for another task. Reload the page and answer again.")
    if seen.withdrawn_at:
        raise Refused("This answer was stored and then taken back by an undo. Check what is chosen and send it anew.")
    return None


def is_same_message(state: Chat, data: Mapping[str, str], message: str) -> bool:
    """Whether the newest turn was begun by this form: a message alone stores no row that could carry the form's key."""
    before = str(state.turn - 1) == data.get("turn", "") and "strength" not in data
    return before and bool(message) and state.replies[0].messages[-1]["content"] == message


def next_messages(
    state: Chat, annotator: User, data: Mapping[str, str], message: str, key: uuid.UUID, active_ms: int
) -> list[Message]:
    """Store the pick and return what the next two answers answer."""
    answer = picked(state, data)
    bad = answer.preference is None
    if not bad and not message:
        letter = answer.value["continues"].upper()
        raise AnswerError(f"Write your next message to go on from {letter}, or end the chat with e.")
    pick = store_pick(state, answer, annotator, key, active_ms)
    messages = list(state.replies[0].messages)
    kept = continued(pick, state.replies)
    if kept is None:
        return messages
    return [*messages, {"role": "assistant", "content": kept.text}, {"role": "user", "content": message}]


def picked(state: Chat, data: Mapping[str, str]) -> Answer:
    """The checked pick of the newest turn. Raises Refused while it cannot be picked from."""
    if state.phase == "writing":
        raise Refused("An answer is still being written. Choose when both are complete, or stop both with Esc.")
    if state.phase == "failed":
        raise Refused("An answer is missing. Press Try again, then choose.")
    return parse_pick(data, state.order)


def store_pick(state: Chat, answer: Answer, annotator: User, key: uuid.UUID, active_ms: int) -> Feedback:
    own = turn_assignment(state, annotator)
    return Feedback.objects.create(
        assignment=own, project_id=own.task.project_id, task=own.task, annotator=annotator, kind=KIND.slug,
        order=state.order, value={**answer.value, "turn": state.turn}, preference=answer.preference,
        comment=answer.comment, active_ms=min(max(active_ms, 0), answers.MAX_ACTIVE_MS),
        origin=Feedback.Origin.SIMULATED if annotator.is_simulated else Feedback.Origin.HUMAN,
        idempotency_key=key,
        supersedes=Feedback.objects.filter(assignment=own, superseded_by=None).order_by("-pk").first(),
    )  # fmt: skip


def turn_key(assignment: Assignment, turn: int) -> str:
    """The key of a turn's prompt. What is before the slash is the chat: its turns stay on one side of a split."""
    return f"chat-{assignment.pk}/{turn}"


def turn_assignment(state: Chat, annotator: User) -> Assignment:
    """The assignment that a pick is stored under: of a task made now, or of the one whose pick was taken back."""
    chat_task, first = state.assignment.task, state.replies[0]
    now = timezone.now()
    key = turn_key(state.assignment, state.turn)
    again = Assignment.objects.filter(task__parent=chat_task, task__prompt__key=key, annotator=annotator)
    if own := again.select_related("task").first():
        Task.objects.filter(pk=own.task_id).update(claimed=1, answered=1)
        own.status, own.finished_at = Assignment.Status.SUBMITTED, now
        own.save(update_fields=["status", "finished_at"])
        return own
    prompt = Prompt.objects.create(
        project_id=chat_task.project_id, key=key, messages=first.messages, lang=chat_task.lang, tags=["chat"],
        origin=Prompt.Origin.CHAT,
    )  # fmt: skip
    task = Task.objects.create(
        project_id=chat_task.project_id, kind=KIND.slug, prompt=prompt, parent=chat_task, purpose=Purpose.TURN,
        criterion=chat_task.criterion, lang=chat_task.lang, wanted=1, claimed=1, answered=1,
    )  # fmt: skip
    for reply in state.replies:
        TaskResponse.objects.create(task=task, response=kept_response(reply, prompt), position=reply.position)
    return Assignment.objects.create(
        task=task, annotator=annotator, status=Assignment.Status.SUBMITTED, lease_until=now, finished_at=now,
        order=state.order,
    )  # fmt: skip


def kept_response(reply: ChatReply, prompt: Prompt) -> Response:
    elsewhere = {"endpoint": reply.endpoint.name, "model": reply.endpoint.model} if reply.endpoint else {}
    return Response.objects.create(
        prompt=prompt, model=reply.model, text=reply.text, setting="chat", decoding={**reply.decoding, **elsewhere},
        seed=reply.seed, sample=reply.position, tokens=reply.tokens, finish_reason=reply.finish_reason,
    )  # fmt: skip


def end(state: Chat, annotator: User, data: Mapping[str, str], key: uuid.UUID, active_ms: int) -> None:
    """Answer the chat's own task. What is chosen for the newest turn is stored with it; unpicked answers are left."""
    own_key = key
    if data.get("strength") and state.phase != "picked":
        store_pick(state, picked(state, data), annotator, key, active_ms)
        own_key, active_ms = uuid.uuid5(key, "end"), 0
    turns = [pick.pk for _, pick in sorted(picks_of(state.assignment).items())]
    if not turns:
        raise AnswerError("Nothing is picked yet. Pick an answer first, or skip the chat with s.")
    chat.request_stop(state.assignment)
    services.record_feedback(
        assignment=state.assignment, annotator=annotator, data=Ended(turns=",".join(map(str, turns))),
        idempotency_key=own_key, active_ms=active_ms,
    )  # fmt: skip


def forget_draft(assignment: Assignment) -> None:
    keep_draft(assignment, None)


def keep_draft(assignment: Assignment, fields: dict[str, str] | None) -> None:
    assignment.draft = None if fields is None else {"step": 0, "fields": fields}
    assignment.draft_version += 1
    assignment.save(update_fields=["draft", "draft_version"])


@transaction.atomic
def keep_typed(*, assignment: Assignment, annotator: User, message: str) -> None:
    """A message that was refused because the chat went on elsewhere is the draft of what is shown now."""
    queue.lock_person(annotator)
    held = Assignment.objects.select_for_update(of=("self",)).get(pk=assignment.pk)
    if message.strip() and not held.draft and held.status == Assignment.Status.LEASED:
        keep_draft(held, {"message": message.replace("\x00", "")[: drafts.MAX_DRAFT]})


# Taking back, trying again


@transaction.atomic
def undo_pick(*, assignment: Assignment, annotator: User) -> bool:
    """Open the last picked turn again; False if none is picked. What was written after it is given up.

    The message that followed becomes the draft, so that nothing typed is lost.
    """
    held = chat.hold(assignment, annotator)
    state = chat_of(held)
    if not state.picks:
        return False
    turn = max(state.picks)
    pick = state.picks[turn]
    Feedback.objects.filter(pk=pick.pk, withdrawn_at=None).update(withdrawn_at=timezone.now())
    Task.objects.filter(pk=pick.task_id).update(claimed=0, answered=0)
    Assignment.objects.filter(pk=pick.assignment_id).update(status=Assignment.Status.EXPIRED)
    after = [reply for reply in state.replies if reply.turn > turn]
    replies = chat.replies_of(held, turn)
    followed = after and len(after[0].messages) > len(replies[0].messages)
    draft = {
        "strength": "both_bad" if pick.both_bad else str(pick.value["strength"]),
        "continues": str(pick.value.get("continues", "")),
        "message": str(after[0].messages[-1]["content"]) if followed else "",
        "comment": pick.comment,
    }
    # Nobody has judged them, and their number is needed for what comes next; whoever writes them stops.
    ChatReply.objects.filter(assignment=held, turn__gt=turn).delete()
    keep_draft(held, draft)
    return True


@transaction.atomic
def try_again(*, assignment: Assignment, annotator: User) -> None:
    """Ask anew for the answers of the newest turn that failed or were stopped."""
    held = chat.hold(assignment, annotator)
    state = chat_of(held)
    if state.phase not in {"failed", "ready"}:
        return
    if Task.objects.filter(parent=held.task, prompt__key=turn_key(held, state.turn)).exists():
        raise Refused("You picked from these answers before, so they stay as they are. Choose again, or go on.")
    chat.write_again(held)


def stop(*, assignment: Assignment) -> None:
    chat.request_stop(assignment)


def page(state: Chat, already: int | None = None) -> dict[str, Any]:
    """What is shown of the two answers, in the order shown."""
    waiting = chat.look_after(state.assignment, state.replies) if state.phase == "writing" else ""
    length = chat.shown_length(state.replies, already)
    return {
        "turn": state.turn,
        "phase": state.phase,
        "shown": length,
        "waiting": waiting,
        "replies": [
            shown_reply(state.replies[position], LETTERS[place], length)
            for place, position in enumerate(state.order if state.replies else ())
        ],
    }


def shown_reply(reply: ChatReply, letter: str, length: int) -> dict[str, Any]:
    """`state`: waiting, writing, complete, cut, stopped or failed; an answer that is not all shown is still written."""
    text = chat.cut(reply.text, length) if length < len(reply.text) else reply.text
    whole = reply.status not in chat.UNFINISHED and len(text) == len(reply.text)
    if not whole:
        state = "writing" if text or reply.status == Status.WRITING else "waiting"
    elif reply.status == Status.COMPLETE:
        state = "cut" if reply.finish_reason == "length" else "complete"
    else:
        state = str(reply.status)
    return {
        "letter": letter,
        "side": letter.lower(),
        "text": text,
        "state": state,
        "error": reply.error if state == "failed" else "",
    }
