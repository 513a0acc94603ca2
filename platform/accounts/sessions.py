"""Django's sessions in the database, and its users, read by a prepared statement: they are needed at every request."""

from datetime import datetime
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.models import User
from accounts.statements import Rows, one

SESSION, USER = Rows(Session), Rows(User)
LIVE = f"SELECT {SESSION.columns} FROM django_session WHERE session_key = %(key)s AND expire_date > %(now)s"
BY_ID = f"SELECT {USER.columns} FROM accounts_user WHERE id = %(id)s"


class SessionStore(db.SessionStore):
    def _get_session_from_db(self) -> Session | None:
        now: datetime = timezone.now()
        found = one(SESSION, LIVE, {"key": self.session_key, "now": now}) if self.session_key else None
        if found is None:
            self._session_key = None  # as Django does: a key that is nobody's is not used again
        return found


class Backend(ModelBackend):
    def get_user(self, user_id: Any) -> User | None:
        found = one(USER, BY_ID, {"id": user_id})
        return found if found is not None and self.user_can_authenticate(found) else None
