"""The server of chats: answers that grow in their rows, endpoints elsewhere, stops, deaths, and its own end."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from django.utils import timezone

from accounts.models import Project, User
from annotate import services
from annotate.chat import replies as chat
from annotate.models import Assignment, ChatEndpoint, ChatReply
from registry import jobs
from registry.models import Job, ModelVersion
from registry.specs import ServeSpec, parse
from tests.factories import make_model, make_task
from tests.workers import engine
from tests.workers.tiny import make_tiny_model
from workers import endpoints, modeling
from workers.context import JobContext
from workers.errors import JobError, Stopped
from workers.jobs import serve
from workers.streaming import Asked, Stream, TooLong, pick

pytestmark = pytest.mark.django_db(transaction=True)
ASK = [{"role": "user", "content": "Hello?"}]
SHORT = modeling.Decoding(temperature=1.0, top_p=0.95, max_new_tokens=24)


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> Path:
    settings.ARTIFACTS = tmp_path / "artifacts"
    return Path(settings.ARTIFACTS)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def base(project: Project, artifacts: Path) -> ModelVersion:
    make_tiny_model(artifacts / "models" / "base")
    return make_model(project, "base")


@pytest.fixture
def held(project: Project, annotator: User) -> Assignment:
    make_task(project)
    assignment = services.next_assignment(project=project, annotator=annotator)
    assert assignment is not None
    return assignment


def replies(held: Assignment, **values: Any) -> list[ChatReply]:
    found = []
    for position in (0, 1):
        found.append(
            ChatReply.objects.create(
                assignment=held, turn=1, position=position, messages=ASK, seed=position,
                decoding={"temperature": 0.9, "top_p": 0.95, "max_new_tokens": 24}, **values,
            )
        )  # fmt: skip
    return found


def server(project: Project, *, start: bool = True, **params: Any) -> tuple[JobContext, ServeSpec]:
    jobs.request_job(project=project, kind="serve", params=params, user=None)
    job = jobs.claim("cpu", worker="test")
    assert job is not None
    spec = parse(ServeSpec, job.params)
    assert isinstance(spec, ServeSpec)
    return JobContext(job), spec


def serve_until_idle(project: Project, **params: Any) -> Job:
    context, spec = server(project, idle_minutes=0.005, **params)
    serve.run(context, spec)
    context.job.refresh_from_db()
    return context.job


# Decoding


def load(tiny: Path) -> tuple[Any, Any]:
    return modeling.load_policy(tiny), modeling.load_tokenizer(tiny)


def written(stream: Stream) -> list[modeling.Sample]:
    while not stream.done:
        stream.step()
    return [stream.sample(index) for index in range(2)]


def test_greedy_answers_are_those_of_generate(tiny: Path) -> None:
    model, tokenizer = load(tiny)
    greedy = modeling.Decoding(temperature=0, max_new_tokens=24)
    prompts = [ASK, [{"role": "user", "content": "A longer question, so that the first one is padded."}]]
    expected = modeling.generate(model, tokenizer, prompts, settings=greedy, seed=0)
    assert written(Stream(model, tokenizer, [Asked(messages, greedy, 0) for messages in prompts])) == expected


def test_each_answer_has_a_seed_of_its_own(tiny: Path) -> None:
    model, tokenizer = load(tiny)
    first, second = (
        written(Stream(model, tokenizer, [Asked(ASK, SHORT, 1), Asked(ASK, SHORT, seed)])) for seed in (2, 3)
    )
    assert first[0] == second[0]
    assert first[1] != second[1]
    assert first[0] != first[1]


def test_the_text_only_grows_and_by_whole_characters(tiny: Path) -> None:
    model, tokenizer = load(tiny)
    stream = Stream(model, tokenizer, [Asked(ASK, SHORT, 5), Asked(ASK, SHORT, 6)])
    before = ""
    while not stream.done:
        stream.step()
        text = stream.sample(0).text
        assert not text.endswith("\ufffd")
        before = text if len(text) > len(before) else before
    assert stream.sample(0).tokens <= 24
    assert stream.sample(0).finish_reason in {"stop", "length"}


def test_one_answer_can_end_while_the_other_goes_on(tiny: Path) -> None:
    model, tokenizer = load(tiny)
    stream = Stream(model, tokenizer, [Asked(ASK, SHORT, 5), Asked(ASK, SHORT, 6)])
    stream.step()
    stream.end(0)
    first, second = written(stream)
    assert first.finish_reason == "stopped" and first.tokens <= 1
    assert second.finish_reason in {"stop", "length"}


def test_a_conversation_that_fills_the_model_is_refused(tiny: Path) -> None:
    model, tokenizer = load(tiny)
    with pytest.raises(TooLong, match="at most 1,024"):
        Stream(model, tokenizer, [Asked([{"role": "user", "content": "x" * 2_000}], SHORT, 0)])


def test_nothing_outside_the_nucleus_is_drawn() -> None:
    logits = torch.log(torch.tensor([0.6, 0.3, 0.1]))
    drawn = {
        pick(
            logits, modeling.Decoding(temperature=1, top_p=0.8), torch.Generator().manual_seed(seed)
        )
        for seed in range(60)
    }  # fmt: skip
    assert drawn == {0, 1}


# The job


def test_both_answers_of_a_turn_are_written(project: Project, base: ModelVersion, held: Assignment) -> None:
    replies(held, model=base)
    job = serve_until_idle(project, models=["base"])
    first, second = ChatReply.objects.order_by("position")
    assert {first.status, second.status} == {"complete"}
    assert first.text != second.text
    assert 0 < first.tokens <= 24
    assert first.finish_reason in {"stop", "length"}
    assert first.lease_until is None and first.finished_at is not None
    assert job.status == Job.Status.SUCCEEDED
    assert job.result["answers"] == 2


def test_two_models_answer_side_by_side(
    project: Project, base: ModelVersion, held: Assignment, artifacts: Path
) -> None:
    make_tiny_model(artifacts / "models" / "other", seed=1)
    other = make_model(project, "other")
    both = replies(held, model=base)
    ChatReply.objects.filter(pk=both[1].pk).update(model=other)
    # A server of one of the two leaves the turn to one that has both.
    assert chat.claim(project, models=[base.pk], endpoints=[]) == []
    serve_until_idle(project, models=["base", "other"])
    assert set(ChatReply.objects.values_list("status", flat=True)) == {"complete"}


def test_a_stop_keeps_what_is_written(project: Project, base: ModelVersion, held: Assignment) -> None:
    replies(held, model=base)
    context, spec = server(project, models=["base"])
    one = serve.Server(context, spec)
    one.load()
    one.take_up()
    one.pens[0].step()
    chat.request_stop(held)
    one.flush()
    assert one.pens == []
    assert set(ChatReply.objects.values_list("status", "finish_reason")) == {("stopped", "stopped")}


def test_a_server_that_is_stopped_leaves_its_replies_to_the_next(
    project: Project, base: ModelVersion, held: Assignment
) -> None:
    replies(held, model=base)
    context, spec = server(project, models=["base"])
    one = serve.Server(context, spec)
    one.load()
    one.take_up()
    one.write()
    one.give_up()
    assert set(ChatReply.objects.values_list("status", "text")) == {("queued", "")}
    jobs.finish(context.job, Job.Status.CANCELLED)
    serve_until_idle(project, models=["base"])
    assert set(ChatReply.objects.values_list("status", flat=True)) == {"complete"}


def test_a_stop_of_the_job_is_heard_between_tokens(project: Project, base: ModelVersion, held: Assignment) -> None:
    replies(held, model=base)
    stop = threading.Event()
    context, spec = server(project, models=["base"])
    stop.set()
    with pytest.raises(Stopped):
        serve.run(JobContext(context.job, stop=stop), spec)
    assert set(ChatReply.objects.values_list("status", flat=True)) == {"queued"}


def test_a_dead_writers_reply_is_taken_up_and_the_dead_one_writes_no_more(
    project: Project, base: ModelVersion, held: Assignment
) -> None:
    replies(held, model=base)
    dead = chat.claim(project, models=[base.pk], endpoints=[])
    assert chat.append(dead[0], text="half an ans", tokens=3)
    ChatReply.objects.update(lease_until=timezone.now() - chat.LEASE)
    assert len(chat.claim(project, models=[base.pk], endpoints=[])) == 2
    assert chat.append(dead[0], text="half an answer", tokens=4) is None
    assert not chat.finish(dead[0], text="half an answer", tokens=4, finish_reason="stop")
    assert ChatReply.objects.get(pk=dead[0].pk).text == ""


def test_what_was_deleted_meanwhile_is_let_go(project: Project, base: ModelVersion, held: Assignment) -> None:
    replies(held, model=base)
    context, spec = server(project, models=["base"])
    one = serve.Server(context, spec)
    one.load()
    one.take_up()
    ChatReply.objects.all().delete()
    one.write()
    one.flush()
    assert one.pens == []


def test_it_does_not_end_while_somebody_waits(project: Project, base: ModelVersion, held: Assignment) -> None:
    context, spec = server(project, models=["base"])
    one = serve.Server(context, spec)
    one.load()
    replies(held, model=base)
    with pytest.raises(serve.StillWanted):
        one.end()
    assert Job.objects.get(pk=context.job.pk).status == Job.Status.RUNNING


def test_idle_it_makes_room_for_a_job_that_waits(
    project: Project, base: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "YIELD_SECONDS", 0.0)
    context, spec = server(project, models=["base"], idle_minutes=60)
    jobs.request_job(project=project, kind="sample", params={"model": "base"}, user=None)
    serve.run(context, spec)
    assert Job.objects.get(pk=context.job.pk).status == Job.Status.SUCCEEDED


def test_a_long_conversation_fails_in_words(project: Project, base: ModelVersion, held: Assignment) -> None:
    replies(held, model=base)
    ChatReply.objects.update(messages=[{"role": "user", "content": "x" * 3_000}])
    serve_until_idle(project, models=["base"])
    assert {one.status for one in ChatReply.objects.all()} == {"failed"}
    assert "begin another" in ChatReply.objects.all()[0].error


def test_a_model_that_is_gone_is_a_sentence(project: Project) -> None:
    with pytest.raises(JobError, match="no policy model gone"):
        serve_until_idle(project, models=["gone"])
    with pytest.raises(JobError, match="no endpoint gone"):
        serve_until_idle(project, endpoints=["gone"])


@pytest.mark.engine
def test_a_killed_process_is_replaced_and_the_answers_are_written_anew(
    project: Project, base: ModelVersion, held: Assignment, tmp_path: Path, settings: Any
) -> None:
    settings.ARTIFACTS = Path(settings.HOME) / "artifacts"  # where the worker, a process of its own, looks for models
    make_tiny_model(Path(settings.ARTIFACTS) / "models" / "base")
    replies(held, model=base)
    long = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 500}
    ChatReply.objects.update(decoding=long)
    with engine.worker(tmp_path, queue="cpu", lease=5) as running:
        running.wait_until_ready()
        job = chat.ensure_server(project, [chat.side_of(reply) for reply in ChatReply.objects.select_related("model")])
        # A random model may end its turn at once, so an answer can be whole before anybody has seen it half-written.
        engine.wait_for(lambda: ChatReply.objects.exclude(text="").exists(), running.log.read_text)
        (child,) = psutil.Process(running.process.pid).children()
        child.kill()
        ChatReply.objects.exclude(status="queued").update(status="writing", lease_until=timezone.now() - chat.LEASE)
        engine.wait_for(lambda: ChatReply.objects.filter(status="complete").count() == 2, running.log.read_text)
        assert engine.fresh(job).attempt == 2
    first = ChatReply.objects.get(position=0)
    assert first.tokens <= 500 and first.text


# Endpoints


class Fake(BaseHTTPRequestHandler):
    """An OpenAI-compatible server, whose manners its `manner` says."""

    manner = "fine"
    seen: list[dict[str, Any]] = []
    key = ""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Fake.seen.append(body)
        Fake.key = self.headers.get("Authorization", "")
        getattr(self, f"do_{self.manner}")()

    def start(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def event(self, value: Any) -> None:
        self.wfile.write(f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode())
        self.wfile.flush()

    def piece(self, text: str, reason: str | None = None) -> None:
        self.event({"choices": [{"delta": {"content": text}, "finish_reason": reason}]})

    def do_fine(self) -> None:
        self.start(200, "text/event-stream")
        self.wfile.write(b": a comment that keeps the connection open\n\n")
        for text in ("Straight ", "from ", "the ", "köttle."):
            self.piece(text)
        self.piece("", "stop")
        self.event({"choices": [], "usage": {"completion_tokens": 4}})
        self.event("[DONE]")

    def do_cut(self) -> None:
        self.start(200, "text/event-stream")
        self.piece("And then", "length")

    def do_whole(self) -> None:
        self.start(200, "application/json; charset=utf-8")
        answer = {"choices": [{"message": {"content": "In one piece."}, "finish_reason": "stop"}]}
        self.wfile.write(json.dumps(answer).encode())

    def do_refuse(self) -> None:
        self.start(401, "application/json")
        self.wfile.write(
            json.dumps({"error": {"message": f"Incorrect API key {self.headers['Authorization'][7:]}"}}).encode()
        )

    def do_break(self) -> None:
        self.start(500, "text/html")
        self.wfile.write(b"<html><body>Internal Server Error</body></html>")

    def do_garbage(self) -> None:
        self.start(200, "text/event-stream")
        self.event("{not json")

    def do_page(self) -> None:
        self.start(200, "text/html")
        self.wfile.write(b"<html>Welcome</html>")

    def do_away(self) -> None:
        self.send_response(302)
        self.send_header("Location", "http://elsewhere.invalid/")
        self.end_headers()

    def do_silent(self) -> None:
        self.start(200, "text/event-stream")
        self.piece("One word, then")
        time.sleep(3)

    def do_endless(self) -> None:
        self.start(200, "text/event-stream")
        try:
            for _ in range(2_000):
                self.piece("more ")
                time.sleep(0.005)
        except OSError:
            pass  # the reader has left, as it should

    def do_late_error(self) -> None:
        self.start(200, "text/event-stream")
        self.piece("Half")
        self.event({"error": {"message": "the engine is overloaded"}})

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def fake() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Fake) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        Fake.seen, Fake.manner, Fake.key = [], "fine", ""
        yield f"http://127.0.0.1:{running.server_port}/v1"
        running.shutdown()


def read(fake: str, manner: str, **values: Any) -> tuple[str, str]:
    Fake.manner = manner
    address = endpoints.Address("gpt", fake, "some-model", **values)
    pieces = list(endpoints.stream(address, ASK, {"temperature": 0.3, "top_p": 1, "max_new_tokens": 7}))
    return "".join(text for text, _ in pieces), "".join(reason for _, reason in pieces)


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ("fine", ("Straight from the köttle.", "stop")),
        ("cut", ("And then", "length")),
        ("whole", ("In one piece.", "stop")),
    ],
)
def test_an_endpoints_answer_is_read_as_it_comes(fake: str, manner: str, said: tuple[str, str]) -> None:
    assert read(fake, manner) == said
    (body,) = Fake.seen
    assert body["model"] == "some-model" and body["stream"] is True
    assert (body["temperature"], body["max_tokens"]) == (0.3, 7)


@pytest.mark.parametrize(
    ("manner", "words"),
    [
        ("break", "answered 500. Try again in a minute"),
        ("garbage", "is no chat completion"),
        ("page", "is no chat completion"),
        ("away", "answered 302. It sends on to another address"),
        ("late_error", "broke off: the engine is overloaded"),
    ],
)
def test_what_goes_wrong_is_said_in_words(fake: str, manner: str, words: str) -> None:
    with pytest.raises(endpoints.EndpointError, match=words):
        read(fake, manner)


def test_a_refused_key_names_its_variable_and_not_itself(fake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALATE_ENDPOINT_KEY_GPT", "sk-very-secret")
    with pytest.raises(endpoints.EndpointError, match="check the key in PALATE_ENDPOINT_KEY_GPT") as error:
        read(fake, "refuse", key_variable="PALATE_ENDPOINT_KEY_GPT")
    assert Fake.key == "Bearer sk-very-secret"
    assert "secret" not in str(error.value)


def test_a_missing_key_is_said_before_anything_is_sent(fake: str) -> None:
    with pytest.raises(endpoints.EndpointError, match="has none in PALATE_ENDPOINT_KEY_NONE"):
        read(fake, "fine", key_variable="PALATE_ENDPOINT_KEY_NONE")
    assert Fake.seen == []


def test_a_silent_endpoint_is_given_up(fake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "SILENCE_SECONDS", 0.3)
    with pytest.raises(endpoints.EndpointError, match=r"sent nothing for 0\.3 seconds"):
        read(fake, "silent")


def test_nobody_listens(fake: str) -> None:
    with pytest.raises(endpoints.EndpointError, match="cannot be reached"):
        read("http://127.0.0.1:9/v1", "fine")


def endpoint(project: Project, fake: str, name: str = "gpt", **values: Any) -> ChatEndpoint:
    return ChatEndpoint.objects.create(project=project, name=name, base_url=fake, model="some-model", **values)


def test_the_job_writes_what_an_endpoint_says(project: Project, held: Assignment, fake: str) -> None:
    replies(held, endpoint=endpoint(project, fake))
    serve_until_idle(project, endpoints=["gpt"])
    assert set(ChatReply.objects.values_list("text", "status", "finish_reason")) == {
        ("Straight from the köttle.", "complete", "stop")
    }


def test_a_failing_endpoint_leaves_the_other_answer(
    project: Project, base: ModelVersion, held: Assignment, fake: str
) -> None:
    Fake.manner = "break"
    both = replies(held, model=base)
    ChatReply.objects.filter(pk=both[1].pk).update(model=None, endpoint=endpoint(project, fake))
    serve_until_idle(project, models=["base"], endpoints=["gpt"])
    assert list(ChatReply.objects.order_by("position").values_list("status", flat=True)) == ["complete", "failed"]
    assert "The endpoint gpt answered 500" in ChatReply.objects.get(position=1).error


def test_an_endless_answer_can_be_stopped(project: Project, held: Assignment, fake: str) -> None:
    Fake.manner = "endless"
    replies(held, endpoint=endpoint(project, fake))
    context, spec = server(project, endpoints=["gpt"])
    one = serve.Server(context, spec)
    one.take_up()
    one.write()
    one.flush()
    assert ChatReply.objects.get(position=0).text.startswith("more more")
    chat.request_stop(held)
    one.flush()
    assert one.pens == []
    assert set(ChatReply.objects.values_list("status", flat=True)) == {"stopped"}


def test_a_forbidden_variable_is_refused_where_the_key_would_be_read(
    project: Project, held: Assignment, fake: str
) -> None:
    replies(held, endpoint=endpoint(project, fake, key_variable="SECRET_KEY"))
    serve_until_idle(project, endpoints=["gpt"])
    assert Fake.seen == []
    assert "SECRET_KEY cannot hold a key" in ChatReply.objects.all()[0].error
