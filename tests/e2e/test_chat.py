"""A chat in a browser, by keyboard alone, with a real worker that writes both answers."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from accounts.models import Project, User
from annotate import services
from annotate.chat import replies as chat
from annotate.models import Assignment, ChatReply, Feedback, Protocol
from registry import jobs
from registry.models import Job
from tests.factories import make_model, make_prompt
from tests.workers.engine import Worker
from tests.workers.tiny import make_tiny_model

DESK = "/p/helpful/annotate/"


@pytest.fixture
def talk(project: Project) -> None:
    make_tiny_model(Path(settings.ARTIFACTS) / "models" / "base")
    make_model(project, "base")
    steps = [{"kind": "chat", "options": {"max_new_tokens": 40}}]
    protocol = Protocol.objects.create(project=project, name="talk", title="Talk", steps=steps)
    for number in (1, 2):
        prompt = make_prompt(project, f"c-{number}", messages=[{"role": "user", "content": "Ask about cooking."}])
        services.create_task(prompt=prompt, kind="chat", protocol=protocol)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def phase(page: Page, name: str) -> None:
    expect(page.locator(f'.talk[data-phase="{name}"]')).to_be_visible(timeout=60_000)


def write(texts: tuple[str, str], status: str = "complete", turn: int = 1) -> None:
    """What a server would have written."""
    for position, text in enumerate(texts):
        ChatReply.objects.filter(turn=turn, position=position).update(
            text=text, status=status, finish_reason="stop" if status == "complete" else ""
        )


def test_two_turns_and_the_end_by_keyboard(
    talk: None, project: Project, annotator: User, sign_in: Any, workers: Worker
) -> None:
    page = sign_in("ann")
    page.goto(DESK)
    expect(page.locator("#message")).to_be_focused()
    page.keyboard.type("How do I cook beans?")
    press(page, "Enter")
    phase(page, "writing")
    expect(page.locator(".thread")).to_contain_text("How do I cook beans?")
    phase(page, "ready")
    expect(page.locator("#say")).to_contain_text("Answer")
    press(page, "Enter")
    expect(page.locator("#chat-hint")).to_contain_text("Choose first")
    press(page, "f", "f")
    expect(page.locator("#send-words")).to_have_text("Continue with A")
    press(page, "i")
    page.keyboard.type("And rice?")
    press(page, "Enter")
    expect(page.locator('.talk[data-turn="2"]')).to_be_visible()
    expect(page.locator("#message")).to_have_value("")
    expect(page.locator(".strength :checked")).to_have_count(0)
    expect(page.locator(".thread")).to_contain_text("A picked")
    phase(page, "ready")
    press(page, "Space")
    expect(page.locator(".goes-on")).to_be_visible()
    press(page, "2", "e")
    expect(page.locator('.talk[data-phase="first"]')).to_be_visible()

    first, second, summary = Feedback.current.order_by("pk")
    assert first.value == {"strength": 2, "continues": "a", "turn": 1}
    assert second.value == {"strength": 0, "continues": "b", "turn": 2}
    assert summary.value == {"turns": [first.pk, second.pk]}
    assert first.task.prompt.messages == [{"role": "user", "content": "How do I cook beans?"}]
    assert Job.objects.filter(kind="serve").count() == 1

    press(page, "Escape", "u")  # the message has the focus
    phase(page, "picked")
    expect(page.locator("#save")).to_contain_text("open again")


def test_the_same_pace_a_reload_and_a_second_tab(talk: None, project: Project, annotator: User, sign_in: Any) -> None:
    """Without a worker: the test writes the rows itself."""
    page = sign_in("ann")
    page.goto(DESK)
    page.keyboard.type("Hello")
    press(page, "Enter")
    phase(page, "writing")
    expect(page.locator("#chat-hint")).to_contain_text("being started")
    write(("alpha beta " * 30, "gamma delta"), status="writing")
    ChatReply.objects.filter(position=0).update(status="complete", finish_reason="stop")
    panes = page.locator(".pane > .read")
    shown = {"alpha beta", "gamma delta"}
    expect(page.get_by_text("gamma delta")).to_be_visible()
    assert {text.strip() for text in panes.all_text_contents()} == shown, "the fast one waits for the slow one"
    expect(page.locator('.pane[data-state="writing"]')).to_have_count(2)
    press(page, "j")
    press(page, "i")
    page.keyboard.type("Half a mess")
    page.wait_for_timeout(1_800)  # the draft goes to the server
    page.reload()
    phase(page, "writing")
    expect(page.locator("#message")).to_have_value("Half a mess")
    expect(page.locator('.strength [value="-1"]')).to_be_checked()
    press(page, "Enter")
    expect(page.locator("#chat-hint")).to_contain_text("still being written")
    ChatReply.objects.update(status="complete", finish_reason="stop")
    phase(page, "ready")
    other = page.context.new_page()
    other.goto(DESK)
    phase(other, "ready")
    press(page, "Enter")
    expect(page.locator('.talk[data-turn="2"]')).to_be_visible()
    other.keyboard.press("i")
    other.keyboard.type("Too late")
    other.keyboard.press("Enter")
    expect(other.locator('.talk[data-turn="2"]')).to_be_visible()
    expect(other.locator("#message")).to_have_value("Half a messToo late")
    expect(other.locator("#save")).to_contain_text("went on in another tab")
    assert Feedback.current.count() == 1


def test_a_failed_answer_is_tried_again_and_both_are_stopped(
    talk: None, project: Project, annotator: User, sign_in: Any
) -> None:
    page = sign_in("ann")
    page.goto(DESK)
    page.keyboard.type("Hello")
    press(page, "Enter")
    phase(page, "writing")
    write(("fine", "half"))
    ChatReply.objects.filter(position=1).update(status="failed", error="The endpoint gpt answered 500.", text="")
    phase(page, "failed")
    expect(page.locator(".pane .failed:visible")).to_contain_text("answered 500")
    page.locator("#chat-again-button").focus()
    press(page, "Enter")
    phase(page, "writing")
    expect(page.locator("#chat-again-button")).to_be_hidden()
    press(page, "Escape")
    phase(page, "failed")
    assert ChatReply.objects.get(position=1).status == "stopped"


def test_both_bad_brings_two_new_answers(talk: None, project: Project, annotator: User, sign_in: Any) -> None:
    page = sign_in("ann")
    page.goto(DESK)
    page.keyboard.type("Hello")
    press(page, "Enter")
    phase(page, "writing")
    write(("no", "nope"))
    phase(page, "ready")
    press(page, "x")
    expect(page.locator("#send-words")).to_have_text("Two new answers")
    press(page, "Enter")
    expect(page.locator('.talk[data-turn="2"]')).to_be_visible()
    write(("yes", "sure"), turn=2)
    phase(page, "ready")
    press(page, "u")
    expect(page.locator('.talk[data-turn="1"]')).to_be_visible()
    expect(page.locator("#send-words")).to_have_text("Two new answers")
    press(page, "f", "i")
    page.keyboard.type("Go on then")
    press(page, "Enter")
    expect(page.locator('.talk[data-turn="2"]')).to_be_visible()
    assert Feedback.current.get().value["strength"] == 1
    assert chat.replies_of(Assignment.objects.get(status="leased"))[0].status == "queued"


def test_a_phone_shows_all_of_it(talk: None, project: Project, annotator: User, sign_in: Any) -> None:
    page = sign_in("ann")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(DESK)
    page.locator("#message").fill("مرحبا، كيف أطبخ الفاصوليا؟")
    page.locator("#send").click()
    phase(page, "writing")
    write(("انقعها طوال الليل. " * 20, "Soak them overnight. " * 20))
    phase(page, "ready")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for control in ("#send", "#message", "#chat-end"):
        expect(page.locator(control)).to_be_visible()
    first = page.locator(".pane .read").filter(has_text=re.compile("انقعها"))
    assert first.evaluate("node => getComputedStyle(node).direction") == "rtl"


def test_a_server_that_is_cancelled_is_said_and_asked_for_anew(
    talk: None, project: Project, annotator: User, sign_in: Any, workers: Worker
) -> None:
    page = sign_in("ann")
    page.goto(DESK)
    page.keyboard.type("Hello")
    press(page, "Enter")
    expect(page.locator('.talk[data-phase="writing"], .talk[data-phase="ready"]')).to_be_visible()
    server = Job.objects.get(kind="serve")
    jobs.request_cancel(server, None)
    expect(page.locator('.talk[data-phase="failed"], .talk[data-phase="ready"]')).to_be_visible(timeout=60_000)
    if page.locator('.talk[data-phase="failed"]').count():
        expect(page.locator(".pane .failed:visible").first).to_contain_text("was cancelled")
        page.locator("#chat-again-button").click()
        phase(page, "ready")
