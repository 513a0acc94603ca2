"""How people are called in exports: by a pseudonym, by their user name, or not at all.

A pseudonym is `p-` and 10 hexadecimal digits of SHA-256(key of the project, ":", id of the account). The key is derived
from SECRET_KEY, so nobody without it can go back from a pseudonym to an account, one person has the same pseudonym in
every export of a project, and another one in each other project. 40 bits: among 10,000 people two share one with a
probability of 5e-5.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.crypto import salted_hmac

from accounts.models import Project, User
from curate.models import ConsentWithdrawal
from registry.specs.export import People as How

DIGITS = 10


@dataclass(frozen=True)
class People:
    """What the sources need to know to name people of one project."""

    project: Project
    how: How

    @property
    def key(self) -> str:
        return salted_hmac("exchange.exports.people", str(self.project.pk), algorithm="sha256").hexdigest()

    def sql(self, column: str) -> str:
        """An expression for the account's id in `column`; it uses the parameter people_key."""
        if self.how == "left_out":
            return "NULL::text"
        if self.how == "names":
            return f"(SELECT username FROM accounts_user WHERE id = {column})"
        given = f"convert_to(%(people_key)s || ':' || {column}, 'UTF8')"
        return f"CASE WHEN {column} IS NOT NULL THEN 'p-' || left(encode(sha256({given}), 'hex'), {DIGITS}) END"

    def names(self, user_ids: Iterable[int]) -> dict[int, str]:
        if self.how == "left_out":
            return {}
        if self.how == "names":
            return dict(User.objects.filter(pk__in=list(user_ids)).values_list("pk", "username"))
        return {pk: self.pseudonym(pk) for pk in user_ids}

    def pseudonym(self, user_id: int) -> str:
        return "p-" + hashlib.sha256(f"{self.key}:{user_id}".encode()).hexdigest()[:DIGITS]

    def left_out(self) -> list[int]:
        """Accounts that withdrew their consent: nothing that they did is in an export of raw answers."""
        return list(ConsentWithdrawal.current.filter(project=self.project).values_list("user_id", flat=True))
