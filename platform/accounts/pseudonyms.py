"""What a person is called where names are hidden: on pages, in recipes of datasets and in exports alike.

A pseudonym is `p-` and 10 hexadecimal digits of SHA-256(key of the project, ":", id of the account). The key is derived
from SECRET_KEY, so nobody without it can go back from a pseudonym to an account, one person has one pseudonym in a
project, and another one in each other project. 40 bits: among 10,000 people two share one with a probability of 5e-5.
"""

import hashlib
import re

from django.utils.crypto import salted_hmac

from accounts.models import User

DIGITS = 10
PATTERN = re.compile(rf"p-[0-9a-f]{{{DIGITS}}}")
NOBODY = "p-" + "0" * DIGITS
"""In place of somebody whose account is no more."""
# Names its first use: with another one the pseudonyms in files that have left the house would be others.
SALT = "exchange.exports.people"


def is_pseudonym(text: str) -> bool:
    """A user name that looks like one is read as one: name that person by their pseudonym."""
    return PATTERN.fullmatch(text) is not None


def key_of(project_id: int) -> str:
    return salted_hmac(SALT, str(project_id), algorithm="sha256").hexdigest()


def pseudonym(project_id: int, user_id: int) -> str:
    return "p-" + hashlib.sha256(f"{key_of(project_id)}:{user_id}".encode()).hexdigest()[:DIGITS]


def sql(column: str) -> str:
    """An expression for the account's id in `column`; it uses the parameter people_key, which is key_of(project)."""
    given = f"convert_to(%(people_key)s || ':' || {column}, 'UTF8')"
    return f"CASE WHEN {column} IS NOT NULL THEN 'p-' || left(encode(sha256({given}), 'hex'), {DIGITS}) END"


def rater_name(project_id: int, user: User) -> str:
    """What others are told of who gave an answer. Simulated raters have their name, for they are nobody."""
    return user.display_name if user.is_simulated else pseudonym(project_id, user.pk)
