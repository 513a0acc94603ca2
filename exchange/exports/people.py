"""How people are called in exports: by their pseudonym (accounts.pseudonyms), by their user name, or not at all."""

from collections.abc import Iterable
from dataclasses import dataclass

from accounts import pseudonyms
from accounts.models import Project, User
from curate.models import ConsentWithdrawal
from registry.specs.export import People as How


@dataclass(frozen=True)
class People:
    """What the sources need to know to name people of one project."""

    project: Project
    how: How

    @property
    def key(self) -> str:
        return pseudonyms.key_of(self.project.pk)

    def sql(self, column: str) -> str:
        """An expression for the account's id in `column`; it uses the parameter people_key."""
        if self.how == "left_out":
            return "NULL::text"
        if self.how == "names":
            return f"(SELECT username FROM accounts_user WHERE id = {column})"
        return pseudonyms.sql(column)

    def names(self, user_ids: Iterable[int]) -> dict[int, str]:
        if self.how == "left_out":
            return {}
        if self.how == "names":
            return dict(User.objects.filter(pk__in=list(user_ids)).values_list("pk", "username"))
        return {pk: self.pseudonym(pk) for pk in user_ids}

    def pseudonym(self, user_id: int) -> str:
        return pseudonyms.pseudonym(self.project.pk, user_id)

    def left_out(self) -> list[int]:
        """Accounts that withdrew their consent: nothing that they did is in an export of raw answers."""
        return list(ConsentWithdrawal.current.filter(project=self.project).values_list("user_id", flat=True))
