"""The page on which a person makes and revokes tokens for the API."""

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from accounts import tokens
from accounts.models import ApiToken, User

LIFETIMES = ((30, "30 days"), (90, "90 days"), (365, "a year"), (0, "until revoked"))
TAKEN = "You have a token {name} already. Revoke it first, or choose another name."
MOST = 50
"""Live tokens a person. More are nobody's plan."""


@never_cache
@require_http_methods(["GET", "POST"])
@sensitive_variables("text")
def index(request: HttpRequest) -> HttpResponseBase:
    assert isinstance(request.user, User)
    problem, text = "", ""
    name = request.POST.get("name", "").strip()
    if request.method == "POST":
        days = request.POST.get("days", "90")
        live = ApiToken.objects.filter(user=request.user, revoked_at=None)
        if not name or len(name) > 60 or "\x00" in name:
            problem = "Give the token a name of 1 to 60 characters, such as where it will be used."
        elif live.filter(name=name).exists():
            problem = TAKEN.format(name=name)
        elif days not in {str(one) for one, _ in LIFETIMES}:
            problem = "Choose how long the token lives."
        elif live.count() >= MOST:
            problem = f"You have {MOST} tokens. Revoke one that is not used any more."
        else:
            try:
                with transaction.atomic():
                    _, text = tokens.make(request.user, name, days=int(days) or None)
                name = ""
            except IntegrityError:  # another post with this name came between the look and the write
                problem, text = TAKEN.format(name=name), ""
    context = {
        "tokens": ApiToken.objects.filter(user=request.user), "problem": problem, "made": text, "name": name,
        "lifetimes": LIFETIMES, "days": request.POST.get("days", "90"),
    }  # fmt: skip
    return render(request, "accounts/tokens.html", context, status=422 if problem else 200)


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponseBase:
    assert isinstance(request.user, User)
    token = get_object_or_404(ApiToken, pk=pk, user=request.user)
    tokens.revoke(token, actor=request.user)
    messages.info(request, f"The token {token.name} is revoked. Whoever uses it is refused from now on.")
    return redirect("tokens")
