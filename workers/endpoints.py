"""Answers from an OpenAI-compatible server, read as they come. Free of torch and of the database.

`POST <base>/chat/completions` with `stream: true` sends server-sent events, a JSON object each, and ends with [DONE].
"""

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0
"""A server that sends nothing for so long is given up."""
LONGEST_SECONDS = 600.0
LONGEST_ANSWER = 100_000
"""Characters. A server that never ends would fill the row."""


class EndpointError(Exception):
    """The message is shown to the annotator: who said what, and who can do something about it."""


@dataclass(frozen=True)
class Address:
    name: str
    base_url: str
    model: str
    key_variable: str = ""


class Writing:
    """One answer on its way, read by a thread of its own; `text` grows until `done`."""

    def __init__(self, address: Address, messages: Sequence[Mapping[str, str]], decoding: Mapping[str, Any]) -> None:
        self.text = ""
        self.pieces = 0
        """Pieces that came, for most servers a token each."""
        self.finish_reason = ""
        self.error = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._read, args=(address, messages, decoding), name=f"endpoint {address.name}", daemon=True
        )
        self._thread.start()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        self._stop.set()

    def _read(self, address: Address, messages: Sequence[Mapping[str, str]], decoding: Mapping[str, Any]) -> None:
        end = time.monotonic() + LONGEST_SECONDS
        try:
            for piece, reason in stream(address, messages, decoding):
                self.text += piece
                self.pieces += bool(piece)
                self.finish_reason = reason or self.finish_reason
                if self._stop.is_set():
                    break
                if len(self.text) > LONGEST_ANSWER or time.monotonic() > end:
                    self.finish_reason = "length"
                    break
            else:
                self.finish_reason = self.finish_reason or "stop"
        except EndpointError as error:
            self.error = str(error)
        except Exception as error:  # whatever a server can make a client raise: the other answers go on
            self.error = f"The endpoint {address.name} could not be read ({type(error).__name__}). Tell an admin."


def stream(
    address: Address, messages: Sequence[Mapping[str, str]], decoding: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """(piece of text, reason why it ended or "") as they come. Raises EndpointError."""
    headers = {"Accept": "text/event-stream"}
    key = key_of(address)
    if key:
        headers["Authorization"] = f"Bearer {key}"
    # No seed: servers differ in its name, and some refuse what they do not know.
    body = {
        "model": address.model,
        "messages": [{"role": one["role"], "content": one["content"]} for one in messages],
        "stream": True,
        "temperature": decoding.get("temperature", 0.8),
        "top_p": decoding.get("top_p", 0.95),
        "max_tokens": decoding.get("max_new_tokens", 256),
    }
    timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
    url = f"{address.base_url.rstrip('/')}/chat/completions"
    try:
        # A redirect is not followed: the key is for this server and for no other.
        with httpx.stream("POST", url, json=body, headers=headers, timeout=timeout, follow_redirects=False) as answer:
            if answer.status_code != 200:
                raise EndpointError(refusal(address, answer, key))
            yield from events(address, answer)
    except httpx.TimeoutException as error:
        connecting = isinstance(error, httpx.ConnectTimeout)
        seconds = CONNECT_SECONDS if connecting else SILENCE_SECONDS
        raise EndpointError(
            f"The endpoint {address.name} sent nothing for {seconds:g} seconds. Try again, or tell an admin."
        ) from error
    except httpx.HTTPError as error:
        what = "cannot be reached" if isinstance(error, httpx.ConnectError) else "broke off"
        raise EndpointError(f"The endpoint {address.name} {what}. Try again, or tell an admin.") from error
    except httpx.InvalidURL as error:
        raise EndpointError(
            f"The address of the endpoint {address.name} is none. Ask an admin to correct it."
        ) from error


def key_of(address: Address) -> str:
    if not address.key_variable:
        return ""
    key = os.environ.get(address.key_variable, "").strip()
    if not key:
        raise EndpointError(
            f"The endpoint {address.name} needs a key, and the worker has none in {address.key_variable}. "
            "Ask an admin to set it where the worker runs."
        )
    return key


def refusal(address: Address, answer: Any, key: str) -> str:
    status = answer.status_code
    said = reason_of(answer)
    if key:
        said = said.replace(key, "...")  # some servers repeat the key that they refuse
    if status in {401, 403}:
        where = f"the key in {address.key_variable}" if address.key_variable else "whether it needs a key"
        todo = f"Ask an admin to check {where}."
    elif status == 404:
        todo = "Ask an admin to check its address and the name of its model."
    elif status == 429:
        todo = "It is asked too often: wait a minute and try again."
    elif status >= 500:
        todo = "Try again in a minute, or tell an admin."
    elif 300 <= status < 400:
        todo = "It sends on to another address. Ask an admin to enter that one."
    else:
        todo = "Tell an admin."
    return f"The endpoint {address.name} answered {status}{': ' + said if said else ''}. {todo}"


def reason_of(answer: Any) -> str:
    """What the server said of why, at most 200 characters in one line."""
    try:
        raw = b""
        for part in answer.iter_bytes():
            raw += part
            if len(raw) > 20_000:
                break
    except httpx.HTTPError:
        return ""
    text = raw[:20_000].decode(errors="replace")
    try:
        found = json.loads(text)
        error = found.get("error", found) if isinstance(found, dict) else found
        text = str(error.get("message") or error.get("detail") or "") if isinstance(error, dict) else str(error)
    except ValueError:
        text = "" if "<" in text[:200] else text  # a proxy's page of HTML says nothing to a person
    return " ".join(text.split())[:200].rstrip(".")


def events(address: Address, answer: Any) -> Iterator[tuple[str, str]]:
    """Pieces from server-sent events, or from one JSON object where the server does not stream."""
    if answer.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
        answer.read()
        yield piece_of(address, answer.text, whole=True)
        return
    seen = False
    for line in answer.iter_lines():
        name, _, data = line.partition(":")
        if name != "data":  # comments keep the connection open; other fields say nothing that is needed
            continue
        if data.strip() == "[DONE]":
            return
        if data.strip():
            seen = True
            yield piece_of(address, data)
    if not seen:
        raise EndpointError(garbage(address))


def piece_of(address: Address, data: str, *, whole: bool = False) -> tuple[str, str]:
    try:
        event = json.loads(data)
        if event.get("error"):
            error = event["error"]
            said = str(error.get("message", "")) if isinstance(error, dict) else str(error)
            words = " ".join(said.split())[:200].rstrip(".")
            raise EndpointError(f"The endpoint {address.name} broke off: {words}. Try again, or tell an admin.")
        if not event.get("choices"):
            return "", ""  # the last event of some servers only counts tokens
        choice = event["choices"][0]
        part = choice.get("message" if whole else "delta") or {}
        text, reason = part.get("content") or "", choice.get("finish_reason") or ""
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise EndpointError(garbage(address)) from error
    if not isinstance(text, str):
        raise EndpointError(garbage(address))
    # What a filter cut is not finished either.
    return text, "" if not reason else "stop" if reason == "stop" else "length"


def garbage(address: Address) -> str:
    return (
        f"The endpoint {address.name} answered something that is no chat completion. "
        "Ask an admin whether its address ends with /v1."
    )
