"""Tokens for the HTTP API. One is shown once, when it is made; kept is its SHA-256, which is enough to know it again.

A token has 256 random bits, so a fast hash is as good as a slow one: there is nothing to guess.
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from accounts.models import ApiToken, User, record_audit

PREFIX = "palate_"
TOUCHED_EVERY = timedelta(minutes=1)


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def make(user: User, name: str, *, days: int | None) -> tuple[ApiToken, str]:
    """A new token, and its text, which nobody can read again. `days` until it expires; None for never."""
    text = PREFIX + secrets.token_urlsafe(32)
    expires = timezone.now() + timedelta(days=days) if days else None
    made = ApiToken.objects.create(
        user=user, name=name, start=text[: len(PREFIX) + 4], digest=digest_of(text), expires_at=expires
    )
    record_audit(actor=user, action="token.made", target=name)
    return made, text


def revoke(token: ApiToken, *, actor: User) -> None:
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        record_audit(actor=actor, action="token.revoked", target=token.name)


def token_of(request: HttpRequest) -> ApiToken | str:
    """The token of `Authorization: Bearer ...`, or a sentence that says why there is none."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        return "Send a token: Authorization: Bearer palate_... People make theirs on the page /account/tokens/."
    found = ApiToken.objects.select_related("user").filter(digest=digest_of(text.strip())).first()
    if found is None or not found.user.is_active:
        return "This token is not known. Make a new one on the page /account/tokens/."
    if found.revoked_at:
        return f"The token {found.name} was revoked. Make a new one on the page /account/tokens/."
    if found.expires_at and found.expires_at <= timezone.now():
        return f"The token {found.name} expired on {found.expires_at:%Y-%m-%d}. Make a new one at /account/tokens/."
    return found


def bearer(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For views of the API: the token's owner becomes request.user and the token request.token, or the answer is 401.

    No cookie counts, so no other site can make a browser call it, and it needs no CSRF token.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = token_of(request)
        if isinstance(found, str):
            return JsonResponse({"error": found}, status=401, headers={"WWW-Authenticate": 'Bearer realm="palate"'})
        now = timezone.now()
        if found.used_at is None or now - found.used_at > TOUCHED_EVERY:
            ApiToken.objects.filter(pk=found.pk).update(used_at=now)
        request.user = found.user
        request.token = found  # type: ignore[attr-defined]
        return view(request, *args, **kwargs)

    return csrf_exempt(login_not_required(wrapped))
