"""Write the answers of chats: models stay loaded, each answer grows in its row, and nobody waits for another.

The turns of several people are written in turn, a token each, so that a long answer does not keep the others waiting.
The job ends by itself when nobody has written for a while, sooner where other jobs wait for its worker.
"""

import time
from itertools import groupby
from typing import Any, Protocol

from accounts.models import Project
from annotate.chat import replies as chat
from annotate.models import ChatEndpoint, ChatReply
from registry.models import Job
from registry.specs import ServeSpec
from workers import endpoints, modeling, sources
from workers.context import JobContext
from workers.errors import JobError, Stopped
from workers.streaming import Asked, Stream, TooLong

FLUSH_SECONDS = 0.25
"""How often what is written goes into its row."""
LOOK_SECONDS = 0.25
"""How often it is looked whether somebody has written."""
YIELD_SECONDS = 30.0
"""Idle for so long, it makes room for a job that waits in the same queue."""
AT_ONCE = 16
"""Answers that are written at the same time."""


class StillWanted(Exception):
    """Somebody wrote in the moment in which the server was about to end."""


class Pen(Protocol):
    """Writes one or two replies."""

    replies: list[ChatReply]
    """Those that are not finished."""

    def step(self) -> int:
        """Write on. Returns the tokens that this process computed."""

    def flush(self) -> None:
        """Store what is written; what has ended, or is not ours any more, leaves `replies`."""


class ModelPen:
    """The replies of one turn by one model, written as one batch."""

    def __init__(self, model: Any, tokenizer: Any, replies: list[ChatReply]) -> None:
        self.replies = list(replies)
        self._places = {reply.pk: index for index, reply in enumerate(replies)}
        self._stream = Stream(model, tokenizer, [asked(reply) for reply in replies])

    def step(self) -> int:
        return 0 if self._stream.done else self._stream.step()

    def flush(self) -> None:
        for reply in list(self.replies):
            place = self._places[reply.pk]
            written = self._stream.sample(place)
            if written.finish_reason:
                chat.finish(reply, text=written.text, tokens=written.tokens, finish_reason=written.finish_reason)
            else:
                goes_on = chat.append(reply, text=written.text, tokens=written.tokens)
                if goes_on:
                    continue
                if goes_on is not None:
                    chat.finish(reply, text=written.text, tokens=written.tokens, finish_reason="stopped")
                self._stream.end(place)
            self.replies.remove(reply)


class EndpointPen:
    """One reply that a server elsewhere writes."""

    def __init__(self, endpoint: ChatEndpoint, reply: ChatReply) -> None:
        self.replies = [reply]
        self._writing = endpoints.Writing(
            endpoints.Address(endpoint.name, endpoint.base_url, endpoint.model, endpoint.key_variable),
            reply.messages, reply.decoding,
        )  # fmt: skip

    def step(self) -> int:
        return 0

    def flush(self) -> None:
        writing = self._writing
        for reply in list(self.replies):
            done = writing.done  # asked before the text is read: what is done has all of it
            if done and writing.error:
                chat.fail(reply, writing.error)
            elif done:
                chat.finish(reply, text=writing.text, tokens=writing.pieces, finish_reason=writing.finish_reason)
            else:
                goes_on = chat.append(reply, text=writing.text, tokens=writing.pieces)
                if goes_on:
                    continue
                writing.stop()
                if goes_on is not None:
                    chat.finish(reply, text=writing.text, tokens=writing.pieces, finish_reason="stopped")
            self.replies.remove(reply)


def asked(reply: ChatReply) -> Asked:
    decoding = reply.decoding
    return Asked(
        messages=reply.messages,
        settings=modeling.Decoding(decoding["temperature"], decoding["top_p"], decoding["max_new_tokens"]),
        seed=reply.seed,
    )


class Server:
    """Everything that one serve job holds: loaded models, known endpoints, and the pens that write."""

    def __init__(self, context: JobContext, spec: ServeSpec) -> None:
        self.context, self.spec = context, spec
        project = context.job.project
        self.versions = [sources.named_model(project, name, role="policy") for name in spec.models]
        self.endpoints = {
            one.name: one for one in ChatEndpoint.objects.filter(project=project, name__in=spec.endpoints)
        }
        if gone := sorted(set(spec.endpoints) - set(self.endpoints)):
            raise JobError(f"There is no endpoint {', '.join(gone)} in {project}. It may have been deleted.")
        self.models: dict[int, tuple[Any, Any]] = {}
        self.pens: list[Pen] = []
        self.answers = self.tokens = 0
        self.busy_seconds = 0.0

    def load(self) -> None:
        for version in self.versions:
            self.context.check_stop()
            self.context.progress(0, 0, f"Loading {version.name}")
            self.models[version.pk] = sources.policy_and_tokenizer(
                version, device=self.context.device, precision=self.spec.precision
            )

    def take_up(self) -> None:
        """Begin what was asked for since the last look."""
        room = AT_ONCE - sum(len(pen.replies) for pen in self.pens)
        room -= room % 2  # both answers of a turn come together
        if not room:
            return
        taken = chat.claim(
            self.context.job.project, models=list(self.models), limit=room,
            endpoints=[endpoint.pk for endpoint in self.endpoints.values()],
        )  # fmt: skip
        for _, turn in groupby(taken, key=lambda reply: (reply.assignment_id, reply.turn, reply.model_id)):
            self.begin(list(turn))
        self.answers += len(taken)

    def begin(self, replies: list[ChatReply]) -> None:
        model_id = replies[0].model_id
        if model_id is None:
            for reply in replies:
                self.begin_elsewhere(reply)
            return
        try:
            self.pens.append(ModelPen(*self.models[model_id], replies))
        except TooLong as error:
            for reply in replies:
                chat.fail(reply, f"{error} End this chat and begin another.")

    def begin_elsewhere(self, reply: ChatReply) -> None:
        # Read anew: an admin may have corrected the address since the last message.
        assert reply.endpoint_id is not None, "a reply has a model or an endpoint"
        endpoint = ChatEndpoint.objects.get(pk=reply.endpoint_id)
        wrong = chat.endpoint_problems(base_url=endpoint.base_url, key_variable=endpoint.key_variable)
        if wrong:
            chat.fail(reply, f"The endpoint {endpoint.name} cannot be asked. {' '.join(wrong.values())}")
        else:
            self.pens.append(EndpointPen(endpoint, reply))

    def write(self) -> None:
        """A token for everybody, for as long as a flush may wait."""
        begun = time.monotonic()
        while time.monotonic() < begun + FLUSH_SECONDS:
            computing = time.monotonic()
            written = sum(pen.step() for pen in self.pens)
            if written:
                self.tokens += written
                self.busy_seconds += time.monotonic() - computing
            elif any(isinstance(pen, EndpointPen) for pen in self.pens):
                time.sleep(0.05)
            else:
                return

    def flush(self) -> None:
        for pen in self.pens:
            pen.flush()
        self.pens = [pen for pen in self.pens if pen.replies]

    def give_up(self) -> None:
        """Another server begins these replies anew."""
        for pen in self.pens:
            for reply in pen.replies:
                chat.give_up(reply)

    def tell(self) -> None:
        writing = sum(len(pen.replies) for pen in self.pens)
        words = f"writing {writing}" if writing else "waiting for a message"
        self.context.progress(self.answers - writing, self.answers, f"{self.answers:,} answers, {words}")

    def other_jobs_wait(self) -> bool:
        job = self.context.job
        return Job.objects.filter(queue=job.queue, status=Job.Status.QUEUED).exclude(pk=job.pk).exists()

    def end(self) -> None:
        """Succeed, unless somebody has just written: the row of the project orders that against chat.ensure_server."""
        with self.context.publish() as result:
            project = Project.objects.select_for_update(no_key=True).get(pk=self.context.job.project_id)
            waiting = chat.writable(
                project, models=list(self.models), endpoints=[one.pk for one in self.endpoints.values()]
            )
            if waiting.exists():
                raise StillWanted
            result.update(answers=self.answers, tokens=self.tokens, tokens_per_s=self.speed)

    @property
    def speed(self) -> float:
        return round(self.tokens / self.busy_seconds, 1) if self.busy_seconds else 0.0


def run(context: JobContext, spec: ServeSpec) -> None:
    server = Server(context, spec)
    server.load()
    server.tell()
    idle_since, looked = time.monotonic(), 0.0
    try:
        while True:
            context.check_stop()
            if time.monotonic() >= looked + LOOK_SECONDS:
                looked = time.monotonic()
                server.take_up()
            if server.pens:
                server.write()
                server.flush()
                server.tell()
                idle_since = time.monotonic()
                if not server.pens and server.tokens:
                    context.metrics(server.answers, tokens_per_s=server.speed)
                continue
            idle = time.monotonic() - idle_since
            if idle >= spec.idle_minutes * 60 or (idle >= YIELD_SECONDS and server.other_jobs_wait()):
                try:
                    server.end()
                except StillWanted:
                    continue
                return
            time.sleep(LOOK_SECONDS)
    except Stopped:
        server.flush()
        server.give_up()
        raise
