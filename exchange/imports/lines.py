"""What is wrong with a line beside what is here already, found before anything of it is taken: all of it or nothing."""

import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from exchange.imports.base import Message, Record
from exchange.imports.identity import check_different, hash_of, item_hash
from exchange.imports.table import EMPTY
from exchange.imports.turns import LineError

if TYPE_CHECKING:
    from exchange.imports.plan import Plan

MOST_VOTES = 30_000
"""Of an item; a task counts them in 16 bits."""
NUMBERED = re.compile(r"prompt-([0-9]{5,12})")


def check_line(plan: "Plan", records: Sequence[Record]) -> None:
    """Raise LineError where one of a line's records cannot be taken."""
    keys: dict[str, int] = {}
    said: set[int] = set()
    for record in records:
        if record.key:
            check_key(plan, record, keys)
        if plan.waits(record):
            check_different(record.answers)
        if record.votes:
            check_votes(plan, record, said)


# --- Keys -------------------------------------------------------------------------------------------------------


def check_key(plan: "Plan", record: Record, keys: dict[str, int]) -> None:
    key, number = record.key, hash_of(record.messages)
    if keys.setdefault(key, number) != number:
        raise LineError(f"The key {key} is on this line twice, with two texts. Give each prompt its own.", "key")
    named = plan.keys.find(hash(key))
    if named != EMPTY:
        ordinal = plan.key_prompt[named]
        if plan.prompts.hashes[ordinal] not in (number, hash((number, key))):
            check_same_text(plan, record, ordinal, number)
    elif numbered := NUMBERED.fullmatch(key):
        check_number(plan, key, int(numbered[1]))


def check_same_text(plan: "Plan", record: Record, ordinal: int, number: int) -> None:
    """A prompt that the file knows by key only takes the text that is here; else the texts have to be the same."""
    key = record.key
    if record.messages[-1]["content"].startswith(f"[{key}: "):
        return
    if ordinal < plan.here:
        found = plan.backend.query("SELECT messages FROM annotate_prompt WHERE id = %s", [plan.prompt_ids[ordinal]])
        messages = found[0][0]
        messages = json.loads(messages) if isinstance(messages, str | bytes) else messages
        if hash_of(messages) == number or str(messages[-1]["content"]).startswith(f"[{key}: "):
            return
        where = "is in the project already"
    else:
        where = f"was used on line {plan.prompt_lines[ordinal - plan.here]:,}"
    raise LineError(f"The key {key} {where}, with another text. Give this prompt a key of its own.", "key")


def check_number(plan: "Plan", key: str, number: int) -> None:
    """A key of the file may look like those that lines without one get: these have others then."""
    at = bisect_left(plan.given, number)
    if plan.given[at : at + 1] == array("q", [number]) and key == f"prompt-{number:05}":
        raise LineError(f"An earlier line without a key was given {key}. Give each line a key of its own.", "key")


# --- Votes ------------------------------------------------------------------------------------------------------


def check_votes(plan: "Plan", record: Record, said: set[int]) -> None:
    """A rater answers once about an item. `said`: what raters said in this line's records before."""
    named = [vote.rater for vote in record.votes if vote.rater and not vote.repeats]
    if not named and plan.most_votes + len(record.votes) <= MOST_VOTES:
        return
    item = item_of(plan, record)
    for rater in named:
        mine = hash((item_in_line(record), rater))
        if mine in said:
            raise LineError(f"{rater[:60]} answers twice about one item on this line. Leave one out.", "rater")
        said.add(mine)
        earlier = plan.voted.find(hash((item, rater))) if item != EMPTY else EMPTY
        if earlier != EMPTY:
            raise LineError(
                f"{rater[:60]} answered about this item on line {plan.voted_lines[earlier]:,} already. A rater "
                "answers once: leave one of the two lines out.",
                "rater",
            )
    if item != EMPTY and plan.item_votes[item] + len(record.votes) > MOST_VOTES:
        raise LineError(f"The item has more than {MOST_VOTES:,} votes.")


def item_in_line(record: Record) -> int:
    sides = [(one.model, one.text, hash_of(one.messages) if one.messages is not None else 0) for one in record.answers]
    return hash((hash_of(record.messages), record.key, record.criterion, *sorted(sides)))


def item_of(plan: "Plan", record: Record) -> int:
    """The item that the record's votes are on; EMPTY where it would be a new one."""
    prompt = found_prompt(plan, record.messages, record.key)
    places: list[int] = []
    for one in record.answers:
        asked = prompt if one.messages is None else found_prompt(plan, one.messages, "")
        model = plan.models.found(one.model)
        if asked == EMPTY or model == EMPTY:
            return EMPTY
        again = 0
        while (place := plan.responses.find(hash((asked, model, one.text, again)))) in places and place != EMPTY:
            again += 1
        if place == EMPTY:
            return EMPTY
        places.append(place)
    if prompt == EMPTY:
        return EMPTY
    protocol = plan.asked.protocol.pk if plan.asked.protocol else None
    return plan.items.find(item_hash(prompt, (protocol, plan.asked.kind, record.criterion, True), places))


# --- Prompts ----------------------------------------------------------------------------------------------------


def found_prompt(plan: "Plan", messages: Sequence[Message], key: str) -> int:
    """Its place where it is here; EMPTY where it would be a new one."""
    if key:
        named = plan.keys.find(hash(key))
        return plan.key_prompt[named] if named != EMPTY else EMPTY
    return plan.prompts.find(hash_of(messages))


def joined(plan: "Plan", records: Sequence[Record]) -> list[int]:
    """Prompts of the project that a line joins, whose answers were not looked at yet."""
    found = []
    for record in records:
        asked = [(record.messages, record.key)]
        asked += [(list(one.messages), "") for one in record.answers if one.messages is not None]
        for messages, key in asked:
            ordinal = found_prompt(plan, messages, key)
            if EMPTY < ordinal < plan.here and ordinal not in plan.loaded:
                found.append(ordinal)
    return found
