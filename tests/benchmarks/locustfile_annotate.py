"""Annotators under Locust, a child process of bench_annotate: each is signed in already, and answers what it is shown.

From the environment: PALATE_LOAD, a JSON file {path, sessions, pause_s}; the child adds {window_s, answers_ms, errors}
and writes it to PALATE_LOAD_RESULT. Times count from when the last annotator has a task on the screen, errors always.
"""

import json
import os
import random
import time
from pathlib import Path
from typing import Any

from gevent.lock import Semaphore
from locust import FastHttpUser, events, task
from locust.env import Environment

from tests.benchmarks.desk_client import NoTask, filled_form

PLAN: dict[str, Any] = json.loads(Path(os.environ["PALATE_LOAD"]).read_text())
PAUSE: float = PLAN["pause_s"]
SESSIONS: list[str] = PLAN["sessions"]
EVERYBODY = len(SESSIONS)
TAKE = Semaphore()


class Measured:
    """Times of the window between the last annotator's first page and the end of the run; errors of the whole run."""

    ready = 0
    began: float | None = None
    answers_ms: list[float] = []
    errors: list[str] = []


class Annotator(FastHttpUser):
    connection_timeout = network_timeout = 60.0
    max_retries = 0
    token = ""

    def on_start(self) -> None:
        with TAKE:
            self.session, self.choose = SESSIONS.pop(), random.Random(len(SESSIONS))
        self.client.client.cookiejar = None  # two cookies by hand cost the cores we share a tenth of what a jar does
        self.page = ""
        if PAUSE:
            # People do not begin in step: the first answer comes at any moment of the first pause.
            time.sleep(self.choose.uniform(0, PAUSE))
        self.open()
        self.due = time.time()
        Measured.ready += 1
        if Measured.ready == EVERYBODY:
            Measured.began = time.perf_counter()

    def wait_time(self) -> float:
        """Seconds to the next answer. Locust's own pacing counts from when it made its users, forty at once, and would
        let all of them answer at the same moment."""
        self.due = max(self.due + PAUSE, time.time())
        return self.due - time.time()

    def open(self) -> None:
        with self.client.get(PLAN["path"], name="open", headers=self.headers(), catch_response=True) as response:
            self.page = self.read(response)

    def headers(self) -> dict[str, str]:
        return {"Cookie": f"sessionid={self.session}" + (f"; csrftoken={self.token}" if self.token else "")}

    def read(self, response: Any) -> str:
        """The page; whatever is no 200 is an error, a refusal with a sentence too."""
        if response.status_code != 200:
            self.fail(response, f"{response.status_code} {response.error or ''} {(response.text or '')[:200]}")
            return ""
        for cookie in response.headers.getlist("set-cookie"):
            if cookie.startswith("csrftoken="):
                self.token = cookie.split(";")[0].partition("=")[2]
        response.success()
        return str(response.text)

    def fail(self, response: Any, why: str) -> None:
        Measured.errors.append(why)
        response.failure(why)

    @task
    def answer(self) -> None:
        if not self.page:
            return self.open()
        try:
            action, body = filled_form(self.page, self.choose)
        except NoTask as error:
            Measured.errors.append(str(error))
            self.page = ""
            return None
        headers = self.headers() | {"HX-Request": "true", "Content-Type": "application/x-www-form-urlencoded"}
        began = time.perf_counter()
        with self.client.post(action, body, name="answer", headers=headers, catch_response=True) as response:
            took = time.perf_counter() - began
            self.page = self.read(response)
        if self.page and Measured.began is not None and began >= Measured.began:
            Measured.answers_ms.append(took * 1000)
        return None


@events.test_stopping.add_listener
def write_result(environment: Environment, **_: Any) -> None:
    """Before the annotators are stopped: what they have under way then is no error."""
    window = time.perf_counter() - (Measured.began or time.perf_counter())
    result = {"window_s": window, "answers_ms": Measured.answers_ms, "errors": Measured.errors}
    Path(os.environ["PALATE_LOAD_RESULT"]).write_text(json.dumps(result))
