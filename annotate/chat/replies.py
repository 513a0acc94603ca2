"""The answers of a chat while they are written: who is asked, who writes, and how far both are shown.

A person sends a message and two answers are asked for (HH-RLHF, Bai et al. 2022, 2204.05862, section 2). The rows of
ChatReply are all that passes between the web process, which asks and shows, and a job of kind `serve`, which writes.
What is picked is stored by annotate.chat.turns.
"""

import hashlib
import random
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.models import Project, User
from annotate.desk import answers, queue
from annotate.kinds.chat import ChatOptions
from annotate.models import Assignment, ChatEndpoint, ChatReply, Task
from annotate.services import Refused
from registry import jobs
from registry.models import Job, ModelVersion

LEASE = timedelta(seconds=30)
"""A reply whose writer was not heard of for so long is written anew by another."""
CATCH_UP = 160
"""Characters of an answer that one look at the page may add: about 500 a second, for both answers alike."""
SERVER_PRIORITY = 10
"""Somebody waits in front of the screen: before training and sampling that wait in the same queue."""
KEY_VARIABLE = re.compile(r"PALATE_ENDPOINT_KEY_[A-Z0-9_]+|[A-Z][A-Z0-9_]*_API_KEY")
Status = ChatReply.Status
UNFINISHED = (Status.QUEUED, Status.WRITING)


# Endpoints


def endpoint_problems(*, base_url: str, key_variable: str) -> dict[str, str]:
    """A sentence for each field of an endpoint that cannot be used."""
    problems = {}
    address = urlsplit(base_url)
    if address.scheme not in {"http", "https"} or not address.hostname:
        problems["base_url"] = "Only http:// and https:// addresses can be asked, for example https://host.example/v1."
    elif address.username or address.password or address.query or address.fragment:
        problems["base_url"] = "Take the address alone, up to and with /v1. The key belongs into a variable."
    if key_variable and not KEY_VARIABLE.fullmatch(key_variable):
        # Otherwise whoever may add an endpoint could have any secret of the worker sent to an address of their own.
        problems["key_variable"] = (
            f"{key_variable[:60]} cannot hold a key. Name a variable PALATE_ENDPOINT_KEY_... or ..._API_KEY."
        )
    return problems


# Who answers


@dataclass(frozen=True)
class Side:
    """Who writes one of the two answers."""

    temperature: float
    model: ModelVersion | None = None
    endpoint: ChatEndpoint | None = None

    @property
    def name(self) -> str:
        return str(self.model or self.endpoint)


def sides_of(project: Project, options: ChatOptions) -> list[Side]:
    """The writers of position 0 and 1. Without names the oldest policy answers twice. Raises Refused."""
    models = [policy_named(project, name) for name in options.models]
    endpoints = [endpoint_named(project, name) for name in options.endpoints]
    if not models and not endpoints:
        # Models whose answers came from a file have no weights, so they cannot talk.
        policies = ModelVersion.objects.filter(project=project, role=ModelVersion.Role.POLICY, archived_at=None)
        first = policies.exclude(format=ModelVersion.Format.OUTPUTS).order_by("pk").first()
        if first is None:
            raise Refused("There is no model to talk to in this project yet. Ask a researcher to add one.")
        models = [first]
    warm = [options.temperatures[0], options.temperatures[-1]]
    found: list[tuple[ModelVersion | None, ChatEndpoint | None]] = [(model, None) for model in models]
    found += [(None, endpoint) for endpoint in endpoints]
    pair = found * 2 if len(found) == 1 else found
    return [Side(temperature, *who) for temperature, who in zip(warm, pair, strict=True)]


def policy_named(project: Project, name: str) -> ModelVersion:
    found = ModelVersion.objects.filter(project=project, role=ModelVersion.Role.POLICY, name=name).first()
    if found is None:
        raise Refused(f"This chat is with model {name}, and the project has no such model. Tell a researcher.")
    return found


def endpoint_named(project: Project, name: str) -> ChatEndpoint:
    found = ChatEndpoint.objects.filter(project=project, name=name).first()
    if found is None:
        raise Refused(f"This chat is with endpoint {name}, and the project has no such endpoint. Tell an admin.")
    return found


# Asking: the web process


def hold(assignment: Assignment, annotator: User) -> Assignment:
    """The chat's row, locked and leased anew. Inside a transaction; raises Refused where it is not theirs any more."""
    locked = answers.lock(assignment, annotator)
    if locked.status == Assignment.Status.SUBMITTED:
        raise Refused("This chat was ended already, perhaps in another tab. Undo takes its end back.")
    if locked.status != Assignment.Status.LEASED:
        task = Task.objects.get(pk=locked.task_id)
        if task.claimed >= task.wanted:
            raise Refused("This chat went back to the queue and somebody else has it now. What you picked is stored.")
        Task.objects.filter(pk=task.pk).update(claimed=F("claimed") + 1)
    locked.status, locked.lease_until = Assignment.Status.LEASED, queue.lease_end()
    locked.save(update_fields=["status", "lease_until"])
    return locked


def replies_of(assignment: Assignment, turn: int | None = None) -> list[ChatReply]:
    """Both replies of a turn (the newest if none is named) in canonical order; empty before the first message."""
    replies = ChatReply.objects.filter(assignment=assignment).select_related("model", "endpoint")
    if turn is None:
        turn = replies.order_by("-turn").values_list("turn", flat=True).first() or 0
    return list(replies.filter(turn=turn).order_by("position"))


def order_of(assignment: Assignment, turn: int) -> list[int]:
    """Positions in the order shown. Anew each turn, so that a model cannot be known by its side."""
    digest = hashlib.sha256(f"{assignment.annotator_id}:{assignment.task_id}:{turn}".encode()).digest()
    order = [0, 1]
    random.Random(int.from_bytes(digest[:8])).shuffle(order)
    return order


def begin_turn(held: Assignment, messages: Sequence[Mapping[str, str]], options: ChatOptions) -> list[ChatReply]:
    """Ask for two answers to `messages`, and for a server if none is alive. Inside the transaction of `hold`."""
    project = Project.objects.get(pk=held.task.project_id)
    sides = sides_of(project, options)
    before = ChatReply.objects.filter(assignment=held).order_by("-turn").values_list("turn", flat=True).first() or 0
    if before >= options.max_turns:
        raise Refused(f"A chat has at most {options.max_turns} turns, and this was the last. End it with e.")
    replies = [
        ChatReply(
            assignment=held, turn=before + 1, position=position, messages=list(messages), model=side.model,
            endpoint=side.endpoint, seed=secrets.randbelow(2**31) if side.model else 0,
            decoding={"temperature": side.temperature, "top_p": options.top_p,
                      "max_new_tokens": options.max_new_tokens},
        )
        for position, side in enumerate(sides)
    ]  # fmt: skip
    ChatReply.objects.bulk_create(replies)
    ensure_server(project, sides)
    return replies


def request_stop(assignment: Assignment) -> None:
    """Both answers end where they are. What nobody writes yet is stopped at once."""
    open_ones = ChatReply.objects.filter(assignment=assignment, status__in=UNFINISHED)
    lost = Q(status=Status.WRITING, lease_until__lt=timezone.now())
    open_ones.filter(Q(status=Status.QUEUED) | lost).update(
        status=Status.STOPPED, finish_reason="stopped", finished_at=timezone.now(), stop_requested=True
    )
    open_ones.update(stop_requested=True)


def write_again(held: Assignment) -> None:
    """Ask anew for the answers of the newest turn that failed or were stopped. Inside the transaction of `hold`."""
    replies = replies_of(held)
    for reply in replies:
        if reply.status in {Status.FAILED, Status.STOPPED}:
            reply.status, reply.text, reply.tokens, reply.error = Status.QUEUED, "", 0, ""
            reply.finish_reason, reply.stop_requested, reply.finished_at = "", False, None
            reply.seed = secrets.randbelow(2**31) if reply.model_id else 0
            # It was asked for now: a server that ended before must not count as the one that let it down.
            reply.lease_until, reply.created_at = None, timezone.now()
            reply.save()
    ensure_server(Project.objects.get(pk=held.task.project_id), [side_of(reply) for reply in replies])


def side_of(reply: ChatReply) -> Side:
    return Side(reply.decoding.get("temperature", 0.8), reply.model, reply.endpoint)


# A server that writes


def server_params(sides: Sequence[Side]) -> dict[str, Any]:
    return {
        "models": sorted({side.model.name for side in sides if side.model}),
        "endpoints": sorted({side.endpoint.name for side in sides if side.endpoint}),
    }


def servers(project: Project, params: Mapping[str, Any]) -> QuerySet[Job]:
    return Job.objects.filter(
        project=project, kind="serve", params__models=params["models"], params__endpoints=params["endpoints"]
    )


def live_server(project: Project, params: Mapping[str, Any]) -> Job | None:
    live = servers(project, params).filter(status__in=[Job.Status.QUEUED, Job.Status.RUNNING], cancel_requested_at=None)
    return live.order_by("pk").first()


@transaction.atomic
def ensure_server(project: Project, sides: Sequence[Side]) -> Job:
    """The live serve job for these models, or a new one: never two, because the project's row is locked meanwhile."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    params = server_params(sides)
    return live_server(project, params) or jobs.request_job(
        project=project, kind="serve", params=params, user=None, priority=SERVER_PRIORITY
    )


def look_after(assignment: Assignment, replies: Sequence[ChatReply]) -> str:
    """What the page tells while nothing is written; replies whose server failed or was cancelled fail with it.

    Called at each look at unfinished replies, so that nobody waits for a server that is gone.
    """
    now = timezone.now()
    waiting = [
        reply for reply in replies
        if reply.status == Status.QUEUED or (reply.status == Status.WRITING and (reply.lease_until or now) < now)
    ]  # fmt: skip
    if not waiting:
        return ""
    project = assignment.task.project
    sides = [side_of(reply) for reply in replies]
    params = server_params(sides)
    server = live_server(project, params)
    if server is None:
        asked = min(reply.created_at for reply in waiting)
        last = servers(project, params).filter(finished_at__gt=asked).order_by("-pk").first()
        if last is not None and last.status in {Job.Status.FAILED, Job.Status.CANCELLED}:
            fail_waiting(waiting, because=last)
            return ""
        server = ensure_server(project, sides)
    return waiting_words(server)


def fail_waiting(waiting: Sequence[ChatReply], *, because: Job) -> None:
    why = f"{because.name} failed: {because.error}" if because.error else f"{because.name} was cancelled."
    error = f"Nobody writes this answer any more. {why}"[:1_000]
    still = ChatReply.objects.filter(pk__in=[reply.pk for reply in waiting], status__in=UNFINISHED)
    still.update(status=Status.FAILED, error=error, finished_at=timezone.now(), lease_until=None)
    for reply in waiting:
        reply.status, reply.error = Status.FAILED, error


def waiting_words(server: Job) -> str:
    if server.status == Job.Status.RUNNING:
        return server.progress_text if server.progress_text.startswith("Loading") else "The model reads your message."
    ahead = Job.objects.filter(queue=server.queue, status=Job.Status.RUNNING).order_by("pk").first()
    if ahead is None:
        return "The model is being started. That takes some seconds, once."
    return f"The model is started as soon as {ahead.name} has ended: it holds the worker. You can leave and come back."


# Showing: both at the same pace


def shown_length(replies: Sequence[ChatReply], already: int | None = None) -> int:
    """How many characters of each answer are shown, the same number for both, so that speed sways nobody.

    Never more than the shorter of those that are still being written; and where one of them ends, the rest of the
    other comes at CATCH_UP characters a look from `already`, not in one piece. None: a page that is opened anew.
    """
    lengths = [len(reply.text) for reply in replies]
    open_ones = [len(reply.text) for reply in replies if reply.status in UNFINISHED]
    limit = min(open_ones) if open_ones else max(lengths, default=0)
    return limit if already is None else min(limit, already + CATCH_UP)


def cut(text: str, length: int) -> str:
    """The first `length` characters, back to the end of a word where one is near: half a word or emoji flickers."""
    if len(text) <= length:
        return text
    head = text[:length]
    space = max(head.rfind(" "), head.rfind("\n"))
    return head[:space] if space >= 0 and length - space < 24 else head


# Writing: the worker. Every write names the lease that it holds, so one that was paused past it is refused.


def writable(project: Project, *, models: Collection[int], endpoints: Collection[int]) -> QuerySet[ChatReply]:
    """Replies that wait or whose writer was lost, of turns whose both sides this server can write."""
    mine = Q(model_id__in=models) | Q(endpoint_id__in=endpoints)
    other = ChatReply.objects.filter(assignment=OuterRef("assignment"), turn=OuterRef("turn")).exclude(mine)
    lost = Q(status=Status.WRITING, lease_until__lt=timezone.now())
    return ChatReply.objects.filter(
        mine, Q(status=Status.QUEUED) | lost, ~Exists(other), assignment__task__project=project
    )


@transaction.atomic
def claim(project: Project, *, models: Collection[int], endpoints: Collection[int], limit: int = 16) -> list[ChatReply]:
    """Take replies to write, the oldest first; both of a turn come together. They begin anew, also after a death."""
    found = writable(project, models=models, endpoints=endpoints).order_by("pk")
    oldest = list(found.values_list("pk", flat=True)[:limit])
    taken = list(
        ChatReply.objects.filter(pk__in=oldest)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("model", "endpoint")
        .order_by("assignment_id", "turn", "position")
    )
    taken = [reply for reply in taken if reply.status == Status.QUEUED or lapsed(reply)]
    for reply in taken:
        reply.status, reply.text, reply.tokens, reply.lease_until = Status.WRITING, "", 0, timezone.now() + LEASE
    ChatReply.objects.bulk_update(taken, ["status", "text", "tokens", "lease_until"])
    return taken


def lapsed(reply: ChatReply) -> bool:
    return reply.status == Status.WRITING and reply.lease_until is not None and reply.lease_until < timezone.now()


def _write(reply: ChatReply, lease: datetime | None, **values: Any) -> bool:
    held = ChatReply.objects.filter(pk=reply.pk, status=Status.WRITING, lease_until=reply.lease_until)
    if not held.update(lease_until=lease, **values):
        return False
    reply.lease_until = lease
    return True


def append(reply: ChatReply, *, text: str, tokens: int) -> bool | None:
    """Store what is written so far and keep the lease. True: go on; False: stop here; None: it is not ours any more."""
    if not _write(reply, timezone.now() + LEASE, text=storable(text), tokens=tokens):
        return None
    return not ChatReply.objects.filter(pk=reply.pk, stop_requested=True).exists()


def finish(reply: ChatReply, *, text: str, tokens: int, finish_reason: str) -> bool:
    """`finish_reason`: stop, length, or stopped when somebody asked for it. False if it was not ours any more."""
    status = Status.STOPPED if finish_reason == "stopped" else Status.COMPLETE
    return _write(
        reply, None, text=storable(text), tokens=tokens, status=status, finish_reason=finish_reason[:10],
        finished_at=timezone.now(),
    )  # fmt: skip


def fail(reply: ChatReply, error: str) -> bool:
    """`error` is shown to the annotator as it is."""
    return _write(reply, None, status=Status.FAILED, error=storable(error)[:1_000], finished_at=timezone.now())


def give_up(reply: ChatReply) -> bool:
    """The writer ends: another begins this reply anew."""
    return _write(reply, None, status=Status.QUEUED, text="", tokens=0)


def storable(text: str) -> str:
    """PostgreSQL keeps no NUL and no half of a surrogate pair, and a model may write either."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()
