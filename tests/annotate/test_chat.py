"""Chats: what is asked for, what is shown, what a pick stores, and what happens to requests that come twice or late."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import Project, User
from annotate import services
from annotate.admin import ChatEndpointForm
from annotate.chat import replies as chat
from annotate.chat import turns as chat_turns
from annotate.kinds import AnswerError
from annotate.kinds.chat import KIND, ChatOptions, parse_pick
from annotate.models import Assignment, ChatEndpoint, ChatReply, Feedback, Prompt, Protocol, Response, Task
from annotate.services import Refused
from registry import jobs
from registry.models import Job, ModelVersion
from tests.curate.building import build
from tests.factories import make_model, make_prompt, make_raters

pytestmark = pytest.mark.django_db
Status = ChatReply.Status


@pytest.fixture
def base(project: Project) -> ModelVersion:
    return make_model(project, "base")


def make_chat(project: Project, key: str = "c-1", *, options: dict[str, Any] | None = None, **values: Any) -> Task:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Ask about cooking."}]
    protocol = None
    if options is not None:
        steps = [{"kind": "chat", "options": options}]
        protocol = Protocol.objects.create(project=project, name=f"talk-{key}", title="Talk", steps=steps)
    prompt = make_prompt(project, key, messages=messages)
    return services.create_task(prompt=prompt, kind="chat", protocol=protocol, **values)


@pytest.fixture
def held(project: Project, annotator: User, base: ModelVersion) -> Assignment:
    make_chat(project)
    return taken(project, annotator)


def taken(project: Project, annotator: User) -> Assignment:
    assignment = services.next_assignment(project=project, annotator=annotator)
    assert assignment is not None
    return assignment


def go_on(held: Assignment, **data: Any) -> uuid.UUID:
    key = data.pop("key", None) or uuid.uuid4()
    data.setdefault("turn", chat_turns.chat_of(held).turn)
    chat_turns.go_on(
        assignment=held, annotator=held.annotator, data={name: str(text) for name, text in data.items()},
        idempotency_key=key,
    )  # fmt: skip
    return key


def write(held: Assignment, *texts: str, status: str = Status.COMPLETE, **values: Any) -> list[ChatReply]:
    """What a server would have written for the newest turn."""
    replies = chat.replies_of(held)
    for reply, text in zip(replies, texts or ("Soak them.", "Soak them overnight."), strict=True):
        reply.text, reply.status, reply.tokens, reply.finish_reason = text, status, 3, "stop"
        for name, value in values.items():
            setattr(reply, name, value)
        reply.save()
    return replies


def begun(held: Assignment, message: str = "How do I cook beans?") -> Assignment:
    go_on(held, message=message)
    write(held)
    return held


def preferring(held: Assignment, position: int, strength: int = 2) -> int:
    """`strength` as posted, so that the reply at `position` wins."""
    return strength if chat_turns.chat_of(held).order[0] == position else -strength


# Asking


def test_a_message_asks_one_model_for_two_answers(held: Assignment, base: ModelVersion) -> None:
    go_on(held, message=" How do I cook beans? ")
    first, second = chat.replies_of(held)
    assert (first.model, second.model) == (base, base)
    assert first.seed != second.seed
    assert first.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How do I cook beans?"},
    ]
    assert first.decoding == {"temperature": 0.8, "top_p": 0.95, "max_new_tokens": 256}


def test_two_names_answer_once_each(project: Project, annotator: User, base: ModelVersion) -> None:
    endpoint = ChatEndpoint.objects.create(project=project, name="gpt", base_url="http://127.0.0.1/v1", model="m")
    make_chat(project, options={"models": ["base"], "endpoints": ["gpt"], "system": "Be kind.", "max_new_tokens": 9})
    held = taken(project, annotator)
    go_on(held, message="Hello")
    first, second = chat.replies_of(held)
    assert (first.model, first.endpoint, second.model, second.endpoint) == (base, None, None, endpoint)
    assert first.messages[0]["content"] == "Be brief.\n\nBe kind."
    assert second.decoding["max_new_tokens"] == 9
    assert Job.objects.get().params["endpoints"] == ["gpt"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"models": ["a", "b"], "endpoints": ["c"]}, "3 models are named"),
        ({"temperatures": [0]}, "the same answer twice"),
        ({"temperatures": [3]}, "between 0 and 2"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ChatOptions.model_validate(options)


def test_a_model_that_is_not_there_is_a_sentence(project: Project, annotator: User) -> None:
    make_chat(project)
    held = taken(project, annotator)
    with pytest.raises(Refused, match="no model to talk to"):
        go_on(held, message="Hello")
    assert not ChatReply.objects.exists()


@pytest.mark.parametrize("message", ["", "  \n", "x" * 20_001, "a\x00b"])
def test_a_message_that_cannot_be_stored_is_refused(held: Assignment, message: str) -> None:
    with pytest.raises(AnswerError):
        go_on(held, message=message)
    assert not ChatReply.objects.exists()


def test_a_double_click_opens_one_turn(held: Assignment) -> None:
    go_on(held, message="Hello", turn=0)
    go_on(held, message="Hello", turn=0)
    assert ChatReply.objects.count() == 2
    with pytest.raises(Refused, match="another tab"):
        go_on(held, message="Something else", turn=0)


def test_one_server_is_asked_for_however_many_turns(held: Assignment, project: Project) -> None:
    begun(held)
    go_on(held, strength=1, message="And rice?")
    (server,) = Job.objects.filter(kind="serve")
    assert server.params["models"] == ["base"]
    assert server.priority > 0
    jobs.request_cancel(server, None)
    write(held)
    go_on(held, strength=1, message="And peas?")
    assert Job.objects.filter(kind="serve").count() == 2


def test_a_chat_has_a_last_turn(project: Project, annotator: User, base: ModelVersion) -> None:
    make_chat(project, options={"max_turns": 1})
    held = begun(taken(project, annotator))
    with pytest.raises(Refused, match="at most 1 turns"):
        go_on(held, strength=1, message="More")
    assert not Feedback.objects.exists()


# What is shown


def test_both_are_shown_up_to_the_same_character(held: Assignment) -> None:
    go_on(held, message="Hello")
    first, second = write(held, "a" * 500, "b" * 40, status=Status.WRITING)
    assert chat.shown_length([first, second]) == 40
    first.status = Status.COMPLETE
    assert chat.shown_length([first, second]) == 40, "a fast answer waits for the slow one"
    second.status = Status.COMPLETE
    assert chat.shown_length([first, second], already=40) == 40 + chat.CATCH_UP, "the rest does not come at once"
    assert chat.shown_length([first, second]) == 500
    second.status, second.text = Status.QUEUED, ""
    assert chat.shown_length([first, second]) == 0


def test_what_is_cut_ends_with_a_word() -> None:
    assert chat.cut("Soak the beans overnight", 12) == "Soak the"
    assert chat.cut("Soak", 12) == "Soak"
    assert chat.cut("豆" * 50, 30) == "豆" * 30


def test_an_answer_is_complete_only_when_all_of_it_is_shown(held: Assignment) -> None:
    go_on(held, message="Hello")
    replies = write(held, "word " * 100, "ends", status=Status.COMPLETE)
    ChatReply.objects.filter(pk=replies[1].pk).update(status=Status.WRITING)
    page = chat_turns.page(chat_turns.chat_of(held))
    assert {reply["state"] for reply in page["replies"]} == {"writing"}
    assert page["phase"] == "writing"


def test_sides_are_drawn_anew_each_turn(held: Assignment) -> None:
    orders = {tuple(chat.order_of(held, turn)) for turn in range(1, 20)}
    assert orders == {(0, 1), (1, 0)}


def test_who_waits_is_told_for_what(held: Assignment, project: Project) -> None:
    go_on(held, message="Hello")
    state = chat_turns.chat_of(held)
    assert "being started" in chat_turns.page(state)["waiting"]
    other = jobs.request_job(project=project, kind="sample", params={"model": "base"}, user=None, priority=99)
    jobs.claim("cpu", worker="w")
    assert f"as soon as {other.name} has ended" in chat_turns.page(state)["waiting"]


def test_a_server_that_fails_fails_its_replies_in_words(held: Assignment) -> None:
    go_on(held, message="Hello")
    server = jobs.claim("cpu", worker="w")
    assert server is not None
    jobs.finish(server, Job.Status.FAILED, "Out of memory.")
    page = chat_turns.page(chat_turns.chat_of(held))
    assert {reply["state"] for reply in page["replies"]} == {"failed"}
    assert "serve-1 failed: Out of memory." in page["replies"][0]["error"]
    chat_turns.try_again(assignment=held, annotator=held.annotator)
    assert {reply.status for reply in chat.replies_of(held)} == {Status.QUEUED}
    assert Job.objects.filter(kind="serve", status=Job.Status.QUEUED).count() == 1
    assert chat_turns.page(chat_turns.chat_of(held))["phase"] == "writing"


def test_only_the_failed_answer_is_written_again(held: Assignment) -> None:
    begun(held)
    first, second = chat.replies_of(held)
    ChatReply.objects.filter(pk=second.pk).update(status=Status.FAILED, error="It broke off.", text="")
    assert chat_turns.chat_of(held).phase == "failed"
    with pytest.raises(Refused, match="An answer is missing"):
        go_on(held, strength=1, message="More")
    chat_turns.try_again(assignment=held, annotator=held.annotator)
    assert [reply.status for reply in chat.replies_of(held)] == [Status.COMPLETE, Status.QUEUED]
    assert chat.replies_of(held)[0].text == first.text


def test_stopped_before_it_began_is_not_an_answer(held: Assignment) -> None:
    go_on(held, message="Hello")
    chat_turns.stop(assignment=held)
    assert chat_turns.chat_of(held).phase == "failed"
    assert {reply.status for reply in chat.replies_of(held)} == {Status.STOPPED}


# Picking


def test_a_pick_is_stored_like_any_comparison(held: Assignment, base: ModelVersion) -> None:
    begun(held)
    go_on(held, strength=preferring(held, 1, 3), message="And rice?", comment="more exact")
    pick = Feedback.objects.get()
    assert pick.kind == "chat" and pick.preference == -3 and pick.comment == "more exact"
    assert pick.value["turn"] == 1
    task = pick.task
    assert (task.purpose, task.parent_id, task.wanted, task.claimed, task.answered) == ("turn", held.task_id, 1, 1, 1)
    assert task.prompt.origin == Prompt.Origin.CHAT
    assert task.prompt.messages[-1] == {"role": "user", "content": "How do I cook beans?"}
    responses = [row.response for row in task.task_responses.all()]
    assert [response.text for response in responses] == ["Soak them.", "Soak them overnight."]
    assert {response.model for response in responses} == {base}
    assert {response.finish_reason for response in responses} == {"stop"}
    assert pick.assignment.status == Assignment.Status.SUBMITTED
    assert chat.replies_of(held)[0].messages[-2:] == [
        {"role": "assistant", "content": "Soak them overnight."},
        {"role": "user", "content": "And rice?"},
    ]
    said = chat_turns.thread(chat_turns.chat_of(held))
    assert [(one.role, one.picked) for one in said] == [("user", ""), ("assistant", said[1].picked), ("user", "")]
    assert said[1].picked == "AB"[pick.order.index(1)]


def test_a_tie_needs_a_side_to_go_on_from(held: Assignment) -> None:
    begun(held)
    with pytest.raises(AnswerError, match="with 1 or 2"):
        go_on(held, strength=0, message="More")
    go_on(held, strength=0, continues="b", message="More")
    pick = Feedback.objects.get()
    assert pick.preference == 0
    assert chat.replies_of(held)[0].messages[-2]["content"] == chat.replies_of(held, 1)[pick.order[1]].text


def test_both_bad_asks_for_two_new_answers(held: Assignment) -> None:
    begun(held)
    go_on(held, strength="both_bad")
    assert Feedback.objects.get().both_bad
    old, new = chat.replies_of(held, 1), chat.replies_of(held, 2)
    assert new[0].messages == old[0].messages
    assert new[0].status == Status.QUEUED
    assert [one.text for one in chat_turns.thread(chat_turns.chat_of(held))] == ["How do I cook beans?"]


@pytest.mark.parametrize("strength", ["", "4", "best", "-0"])
def test_forged_picks_are_refused(held: Assignment, strength: str) -> None:
    begun(held)
    with pytest.raises(AnswerError):
        go_on(held, strength=strength, message="More")
    assert not Feedback.objects.exists()


def test_nothing_is_picked_while_an_answer_is_written(held: Assignment) -> None:
    begun(held)
    write(held, status=Status.WRITING)
    with pytest.raises(Refused, match="still being written"):
        go_on(held, strength=1, message="More")


def test_a_pick_without_a_message_says_what_is_missing(held: Assignment) -> None:
    begun(held)
    with pytest.raises(AnswerError, match="go on from"):
        go_on(held, strength=1)
    assert not Feedback.objects.exists()


def test_the_same_form_twice_is_one_pick(held: Assignment) -> None:
    begun(held)
    key = go_on(held, strength=1, message="More", turn=1)
    go_on(held, strength=1, message="More", turn=1, key=key)
    assert Feedback.objects.count() == 1
    assert ChatReply.objects.count() == 4
    with pytest.raises(Refused, match="another tab"):
        go_on(held, strength=-1, message="Other", turn=1)


@pytest.mark.django_db(transaction=True)
def test_two_tabs_at_once_store_one_pick(held: Assignment) -> None:
    begun(held)
    outcomes = at_once([partial(go_on, held, strength=strength, message="More", turn=1) for strength in (1, -2, 3)])
    assert sum(isinstance(one, uuid.UUID) for one in outcomes) == 1
    assert all(isinstance(one, (uuid.UUID, Refused)) for one in outcomes), outcomes
    assert Feedback.objects.count() == 1
    assert ChatReply.objects.count() == 4
    assert Job.objects.filter(kind="serve").count() == 1


@pytest.mark.django_db(transaction=True)
def test_people_who_begin_at_once_share_one_server(project: Project, base: ModelVersion) -> None:
    make_chat(project, wanted=4)
    held = [taken(project, rater) for rater in make_raters(project, 4)]
    at_once([partial(go_on, one, message="Hello", turn=0) for one in held])
    assert Job.objects.filter(kind="serve").count() == 1
    assert ChatReply.objects.count() == 8


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    outcomes: list[Any] = []
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> None:
        start.wait()
        try:
            outcomes.append(act())
        except Exception as error:
            outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


# Taking back, ending, coming back


def test_undo_takes_back_the_last_pick_and_keeps_what_was_typed(held: Assignment) -> None:
    begun(held)
    go_on(held, strength=2, message="And rice?", comment="hm")
    assert chat_turns.undo_pick(assignment=held, annotator=held.annotator)
    state = chat_turns.chat_of(held)
    assert (state.turn, state.phase) == (1, "ready")
    held.refresh_from_db()
    assert held.draft["fields"] == {"strength": "2", "continues": "a", "message": "And rice?", "comment": "hm"}
    withdrawn = Feedback.objects.get()
    assert withdrawn.withdrawn_at is not None and withdrawn.task.answered == 0
    go_on(held, strength=-1, message="And rice, then?")
    again = Feedback.current.get()
    assert again.supersedes_id == withdrawn.pk
    assert again.task_id == withdrawn.task_id and Task.objects.get(pk=again.task_id).answered == 1
    assert Response.objects.count() == 2


def test_undo_before_the_first_pick_is_not_the_chats(held: Assignment) -> None:
    begun(held)
    assert not chat_turns.undo_pick(assignment=held, annotator=held.annotator)


def test_answers_that_were_picked_from_are_not_written_again(held: Assignment) -> None:
    begun(held)
    write(held, status=Status.STOPPED)
    go_on(held, strength=2, message="And rice?")
    chat_turns.undo_pick(assignment=held, annotator=held.annotator)
    with pytest.raises(Refused, match="picked from these answers"):
        chat_turns.try_again(assignment=held, annotator=held.annotator)


def test_the_end_lists_the_turns(held: Assignment) -> None:
    begun(held)
    go_on(held, strength=2, message="And rice?")
    write(held, "One", "Two")
    key = go_on(held, strength=-1, action="end", turn=2)
    go_on(held, strength=-1, action="end", turn=2, key=key)
    summary = Feedback.objects.get(task=held.task)
    assert summary.value == {"turns": list(Feedback.objects.exclude(pk=summary.pk).values_list("pk", flat=True))}
    assert len(summary.value["turns"]) == 2
    held.refresh_from_db()
    assert held.status == Assignment.Status.SUBMITTED
    assert KIND.say(summary.value) == "a chat of 2 turns"
    assert Task.objects.get(pk=held.task_id).answered == 1


def test_a_chat_without_a_pick_does_not_end(held: Assignment) -> None:
    begun(held)
    with pytest.raises(AnswerError, match="Nothing is picked yet"):
        go_on(held, action="end")


def test_the_last_answers_may_stay_unpicked(held: Assignment) -> None:
    begun(held)
    go_on(held, strength=2, message="And rice?")
    go_on(held, action="end")
    assert Feedback.current.count() == 2
    assert {reply.status for reply in chat.replies_of(held)} == {Status.STOPPED}


def test_an_end_that_is_taken_back_goes_on(held: Assignment, project: Project) -> None:
    begun(held)
    go_on(held, strength=preferring(held, 0), action="end")
    services.undo(project=project, annotator=held.annotator)
    held.refresh_from_db()
    assert chat_turns.chat_of(held).phase == "picked"
    go_on(held, message="One more thing")
    assert chat.replies_of(held)[0].messages[-2:] == [
        {"role": "assistant", "content": "Soak them."},
        {"role": "user", "content": "One more thing"},
    ]


def test_after_both_bad_and_an_end_the_message_is_said_anew(held: Assignment, project: Project) -> None:
    begun(held)
    go_on(held, strength="both_bad", action="end")
    services.undo(project=project, annotator=held.annotator)
    held.refresh_from_db()
    go_on(held, message="In other words: beans?")
    assert [one["role"] for one in chat.replies_of(held)[0].messages] == ["system", "user"]


def test_a_chat_goes_on_after_its_lease_lapsed(held: Assignment, project: Project) -> None:
    begun(held)
    Assignment.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    assert services.expire_leases(project) == 1
    go_on(held, strength=1, message="Still there?")
    held.refresh_from_db()
    assert held.status == Assignment.Status.LEASED
    assert Task.objects.get(pk=held.task_id).claimed == 1


def test_a_chat_that_somebody_else_has_now_is_refused(held: Assignment, project: Project) -> None:
    begun(held)
    Assignment.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    services.expire_leases(project)
    taken(project, make_raters(project, 1)[0])
    with pytest.raises(Refused, match="somebody else has it now"):
        go_on(held, strength=1, message="Still there?")


def test_turns_are_given_out_to_nobody(held: Assignment, project: Project) -> None:
    begun(held)
    go_on(held, strength=1, message="More")
    assert services.next_assignment(project=project, annotator=make_raters(project, 1)[0]) is None


def test_the_chats_own_answer_cannot_be_forged(held: Assignment) -> None:
    with pytest.raises(AnswerError, match="its own button"):
        services.record_feedback(
            assignment=held, annotator=held.annotator, data={"turns": "1,2"}, idempotency_key=uuid.uuid4()
        )


# Datasets


def test_turns_become_pairs_and_a_chat_stays_on_one_side(held: Assignment, project: Project) -> None:
    begun(held)
    for number in range(3):
        go_on(held, strength=preferring(held, 1), message=f"More {number}")
        write(held, f"Short {number}", f"Longer {number}")
    go_on(held, action="end")
    found, _ = build(project, seed=3, held_out_share=0.5)
    assert len(found) == 3
    assert found[0].columns["chosen"] == [{"role": "assistant", "content": "Soak them overnight."}]
    assert [one["role"] for one in found[-1].columns["prompt"]][-3:] == ["user", "assistant", "user"]
    assert len({row.split for row in found}) == 1


def test_the_better_one_continues_whatever_the_form_says() -> None:
    for strength, continues in ((2, "a"), (-3, "b"), (0, "b")):
        value = parse_pick({"strength": str(strength), "continues": "b"}, [1, 0]).value
        assert value == {"strength": strength, "continues": continues}


# Endpoints


@pytest.mark.parametrize("address", ["ftp://x/v1", "file:///etc/passwd", "https://", "https://me:key@x/v1", "nonsense"])
def test_only_web_addresses_are_endpoints(address: str) -> None:
    assert "base_url" in chat.endpoint_problems(base_url=address, key_variable="")


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "PATH", "_API_KEY", "palate_endpoint_key_x", "API_KEY"])
def test_no_secret_of_the_site_is_a_key(name: str) -> None:
    assert "key_variable" in chat.endpoint_problems(base_url="https://x/v1", key_variable=name)


@pytest.mark.parametrize("name", ["", "OPENAI_API_KEY", "PALATE_ENDPOINT_KEY_GPT4"])
def test_keys_lie_in_variables_of_their_own(name: str) -> None:
    assert chat.endpoint_problems(base_url="http://127.0.0.1:8000/v1", key_variable=name) == {}


def test_the_admins_form_refuses_both(project: Project) -> None:
    given = {"project": project.pk, "name": "gpt", "base_url": "https://x.example/v1", "model": "m"}
    assert ChatEndpointForm({**given, "key_variable": "OPENAI_API_KEY"}).is_valid()
    form = ChatEndpointForm({**given, "base_url": "ftp://x.example/v1", "key_variable": "SECRET_KEY"})
    assert set(form.errors) == {"base_url", "key_variable"}


# Over HTTP


def url(held: Assignment, name: str = "") -> str:
    return f"/p/helpful/annotate/{held.pk}/chat/{name}"


def post(client: Client, held: Assignment, **data: Any) -> Any:
    given = {"idempotency_key": str(uuid.uuid4()), "turn": str(chat_turns.chat_of(held).turn), **data}
    return client.post(url(held), given, headers={"HX-Request": "true"})


def test_a_chat_over_http(held: Assignment, annotator_client: Client) -> None:
    page = annotator_client.get("/p/helpful/annotate/").content.decode()
    assert "Write the first message" in page and "Ask about cooking." in page
    page = post(annotator_client, held, message="<b>How</b> do I cook beans?").content.decode()
    assert "&lt;b&gt;How&lt;/b&gt; do I cook beans?" in page
    look = annotator_client.get(url(held), {"turn": "1", "shown": "0"}).json()
    assert look["phase"] == "writing" and look["moved"] is False
    assert [reply["state"] for reply in look["replies"]] == ["waiting", "waiting"]
    write(held, "Soak <script>alert(1)</script> **them**.", "No.")
    look = annotator_client.get(url(held), {"turn": "1", "shown": "0"}).json()
    told = " ".join(reply["html"] for reply in look["replies"])
    assert "<strong>them</strong>" in told and "<script>" not in told
    assert {reply["state"] for reply in look["replies"]} == {"complete"}
    answer = post(annotator_client, held, strength="2", message="And rice?")
    assert answer.status_code == 200 and "picked</span>" in answer.content.decode()
    assert annotator_client.get(url(held), {"turn": "1"}).json()["moved"] is True
    write(held)
    assert annotator_client.post(url(held, "undo/"), headers={"HX-Request": "true"}).status_code == 200
    assert "And rice?</textarea>" in annotator_client.get("/p/helpful/annotate/").content.decode()
    assert post(annotator_client, held, strength="1", action="end").status_code == 200
    assert Feedback.current.count() == 2


def test_a_wrong_form_comes_back_filled_in(held: Assignment, annotator_client: Client) -> None:
    begun(held)
    answer = post(annotator_client, held, strength="0", message="kept words")
    assert answer.status_code == 422
    assert "kept words</textarea>" in answer.content.decode()
    assert post(annotator_client, held, strength="1", message="x", idempotency_key="no").status_code == 422
    assert post(annotator_client, held, strength="1", message="x", turn="9").status_code == 409


def test_stop_and_again_over_http(held: Assignment, annotator_client: Client) -> None:
    go_on(held, message="Hello")
    assert annotator_client.post(url(held, "stop/"), headers={"HX-Request": "true"}).status_code == 204
    assert annotator_client.post(url(held, "stop/")).status_code == 302
    assert "An answer is missing" in annotator_client.get("/p/helpful/annotate/").content.decode()
    assert annotator_client.post(url(held, "again/"), headers={"HX-Request": "true"}).status_code == 200
    assert chat_turns.chat_of(held).phase == "writing"


def test_undo_before_the_first_pick_is_that_of_the_desk(held: Assignment, annotator_client: Client) -> None:
    answer = annotator_client.post(url(held, "undo/"), headers={"HX-Request": "true"})
    assert answer.status_code == 409
    assert "no answer of yours" in answer.content.decode()


def test_other_peoples_chats_are_not_there(
    held: Assignment, researcher_client: Client, outsider_client: Client
) -> None:
    for client in (researcher_client, outsider_client):
        assert client.get(url(held)).status_code == 404
        assert client.post(url(held, "stop/")).status_code == 404


def test_a_vote_of_a_turn_has_its_page(held: Assignment, reviewer_client: Client) -> None:
    begun(held)
    go_on(held, strength=2, action="end")
    for feedback in Feedback.objects.all():
        assert reviewer_client.get(f"/p/helpful/votes/{feedback.pk}/").status_code == 200


def test_an_ended_chat_is_shown_and_not_changed(held: Assignment, annotator_client: Client) -> None:
    begun(held)
    go_on(held, strength=2, action="end")
    page = annotator_client.get(f"/p/helpful/annotate/{held.pk}/change/0/")
    assert "cannot be changed piece by piece" in page.content.decode()
