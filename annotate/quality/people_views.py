"""Pages about people: everyone with their figures, one person, and one's own work.

Moderators (reviewers and above) see everyone, under pseudonyms unless they ask for names. Annotators see only "Your
work", and on it nothing that would tell which tasks were gold.
"""

import re
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Membership, Project, User, record_audit
from accounts.permissions import can_admin, can_annotate, can_review, project_view
from accounts.requests import MemberRequest
from annotate.design.protocols import said
from annotate.desk.queue import rules_of
from annotate.models import Feedback, Qualification
from annotate.quality import charts as quality_charts
from annotate.quality import people, pseudonyms
from annotate.quality.intervals import Share
from annotate.quality.people import Crowd, Person
from annotate.quality.people_words import Look, looks, sentence
from annotate.quality.progress import desk_progress
from annotate.quality.raters import ENOUGH, Rater, notices
from annotate.quality.views import attachment
from pages.charts import Bar, Chart, Estimate, bars, spark, standalone_svg, to_csv

A_PAGE = 50
MOST_LOOKS = 8
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
SKILL = re.compile(r"[\w.-]{1,40}")


@require_GET
@project_view(can_review)
def index(request: MemberRequest, project: Project) -> HttpResponse:
    """?who=simulated, ?q= a name, ?role=, ?lang=, ?page=."""
    asked = {name: request.GET.get(name, "").replace("\0", "").strip() for name in ("who", "q", "role", "lang", "page")}
    found = people.crowds(project)
    crowd = found.value[asked["who"] == "simulated"]
    everyone = people.people(project, crowd)
    names = dict(pseudonyms.names(request, project, (one.user for one in everyone)))
    worth = looks(notices(crowd.raters, gold_bar=people.gold_bar(project)), names)
    shown = chosen(everyone, names, asked)
    page = Paginator(shown, A_PAGE).get_page(asked["page"])
    rows = [row_of(one, names[one.user.pk]) for one in page]
    context = {
        "project": project, "crowd": crowd, "asked": asked, "total": len(everyone), "page": page, "names": names,
        "rows": rows, "any_first": any(row["first"] for row in rows),
        "sentence": sentence(crowd.raters, worth, simulated=crowd.simulated),
        "looks": [(one, may_pause(request, project, everyone, one)) for one in worth[:MOST_LOOKS]],
        "looks_left_out": max(len(worth) - MOST_LOOKS, 0),
        "langs": sorted({lang for one in everyone for lang in one.user.languages}),
        "roles": Membership.Role.choices, "names_shown": pseudonyms.are_shown(request, project),
        "chart": scatter(project, crowd, names), "enough": ENOUGH, "at": found.at,
        "has_simulated": bool(found.value[1].raters), "is_admin": can_admin(request.user, project),
    }  # fmt: skip
    return render(request, "annotate/people.html", context)


def chosen(everyone: list[Person], names: dict[int, str], asked: dict[str, str]) -> list[Person]:
    """Those that the search names. It looks at names as they are shown, so it cannot find out hidden ones."""
    query = asked["q"].casefold()
    return [
        one
        for one in everyone
        if query in names[one.user.pk].casefold()
        and (not asked["role"] or (one.membership and one.membership.role == asked["role"]))
        and (not asked["lang"] or asked["lang"] in one.user.languages)
    ]


def row_of(one: Person, name: str) -> dict[str, Any]:
    rater = one.rater if one.rater and one.rater.answers >= ENOUGH else None
    return {
        "person": one, "name": name, "answers": one.rater.answers if one.rater else 0, "rater": rater,
        "median_s": one.rater.median_s if one.rater else None,
        "last": moment(one.rater), "first": whisker(rater.first) if rater else "",
    }  # fmt: skip


def moment(rater: Rater | None) -> Any:
    return datetime.fromtimestamp(rater.last_at, tz=UTC) if rater and rater.last_at is not None else None


def whisker(one: Share) -> str:
    """A share on the scale of the column, 0 to 100%, with the line of a half."""
    if one.value is None or one.low is None or one.high is None or one.n < ENOUGH:
        return ""
    return spark(Estimate(100 * one.value, 100 * one.low, 100 * one.high), 0, 100, reference=50, narrow=True)


def may_pause(request: MemberRequest, project: Project, everyone: list[Person], look: Look) -> bool:
    person = next(one for one in everyone if one.user.pk == look.user)
    return bool(can_admin(request.user, project) and person.membership and not person.membership.paused)


def scatter(project: Project, crowd: Crowd, names: dict[int, str]) -> Chart:
    bar = people.gold_bar(project)
    low = {one.user for one in notices(crowd.raters, gold_bar=bar) if one.signal == "gold"}
    return quality_charts.gold_against_time(crowd.raters, names.__getitem__, bar=bar, low=low)


@require_GET
@project_view(can_review)
def chart(request: MemberRequest, project: Project, who: str) -> HttpResponse:
    """Gold accuracy against time: ?format=svg (with ?theme=dark) or csv, under the names that the page shows."""
    if who not in {"people", "simulated"}:
        raise Http404("There are charts of people and of simulated raters.")
    crowd = people.crowds(project).value[who == "simulated"]
    users = User.objects.filter(pk__in=[one.user for one in crowd.raters])
    found = scatter(project, crowd, dict(pseudonyms.names(request, project, users)))
    if request.GET.get("format", "svg") == "csv":
        return attachment(to_csv(found), "text/csv; charset=utf-8", f"{project.slug}-gold-{who}.csv")
    theme = "dark" if request.GET.get("theme") == "dark" else "light"
    return attachment(standalone_svg(found, theme), "image/svg+xml", f"{project.slug}-gold-{who}.svg")


# --- One person -----------------------------------------------------------------------------------------------------


def somebody(project: Project, pk: int) -> Person:
    """A member, or somebody whose answers are here; 404 for everyone else, whoever they are elsewhere."""
    user = get_object_or_404(User, pk=pk)
    membership = Membership.objects.filter(project=project, user=user).first()
    if membership is None and not Feedback.objects.filter(project=project, annotator=user).exists():
        raise Http404("There is nobody of that number in this project.")
    return Person(user, membership, None, people.may_be_let_in(project, user, membership))


@never_cache
@require_GET
@project_view(can_review)
def person(request: MemberRequest, project: Project, pk: int) -> HttpResponse:
    return show_person(request, project, somebody(project, pk))


def show_person(
    request: MemberRequest, project: Project, one: Person, *, errors: dict[str, str] | None = None
) -> HttpResponse:
    user, work = one.user, people.work_of(project, one.user)
    crowd = people.crowds(project).value[user.is_simulated]
    name = pseudonyms.names(request, project, [user])[user.pk]
    known = dict.fromkeys((rater.user for rater in crowd.raters), "") | {user.pk: name}
    worth = [
        look for look in looks(notices(crowd.raters, gold_bar=people.gold_bar(project)), known) if look.user == user.pk
    ]
    among = crowd.of(user.pk)
    context = own_context(project, user, work) | {
        "person": one, "name": name, "look": next(iter(worth), None), "among": among, "errors": errors or {},
        "names_shown": pseudonyms.are_shown(request, project), "is_admin": can_admin(request.user, project),
        "tries": people.qualifications(project, user), "rules": rules_of(project), "weeks": work.weeks,
        "recent": [(answer, said(answer)) for answer in people.recent(project, user)],
        "languages": request.POST.get("languages", ", ".join(user.languages)),
        "skills": request.POST.get("skills", ", ".join(one.membership.skills) if one.membership else ""),
        "bar": people.gold_bar(project),
    }  # fmt: skip
    return render(request, "annotate/person.html", context, status=422 if errors else 200)


def own_context(project: Project, user: User, work: people.Work) -> dict[str, Any]:
    """What the page about a person and the page about oneself share."""
    days = people.answers_by_day(project, user)
    total = sum(n for _, n in days)
    title = f"{total:,} item{'' if total == 1 else 's'} in four weeks" if total else "No answers in the last four weeks"
    return {
        "project": project, "work": work, "rater": work.rater, "enough": ENOUGH, "parts": work.parts,
        "days_chart": bars(title, "Items a day", [Bar(f"{day.day} {day:%b}", n) for day, n in days], unit="items"),
        "first": whisker(work.rater.first) if work.rater else "",
        "longer": whisker(work.rater.longer) if work.rater else "",
    }  # fmt: skip


@require_POST
@project_view(can_admin)
@transaction.atomic
def pause(request: MemberRequest, project: Project, pk: int) -> HttpResponseBase:
    """No new tasks for this person, or new ones again. What they hold already, they may finish."""
    member = get_object_or_404(Membership.objects.select_for_update(of=("self",)), project=project, user_id=pk)
    paused = "resume" not in request.POST
    if member.paused != paused:
        member.paused = paused
        member.save(update_fields=["paused"])
        action = "member.paused" if paused else "member.resumed"
        record_audit(actor=request.user, action=action, project=project, target=str(member.user), user=pk)
    messages.success(
        request,
        "Paused. There are no new tasks for this person; answers are kept." if paused else "New tasks are given again.",
    )
    return redirect("person", slug=project.slug, pk=pk)


@require_POST
@project_view(can_admin)
def edit(request: MemberRequest, project: Project, pk: int) -> HttpResponseBase:
    """Languages that the person reads, and skills in this project: lists with commas between."""
    one = somebody(project, pk)
    if one.membership is None:
        raise Http404("This person has left the project.")
    languages, skills = split(request.POST.get("languages", "")), split(request.POST.get("skills", ""))
    errors = {}
    if wrong := next((word for word in languages if len(word) > 20 or not LANGUAGE.fullmatch(word)), None):
        errors["languages"] = (
            f"“{wrong[:40]}” is not a language tag. Write tags such as en, ar or zh-Hans, with commas."
        )
    if wrong := next((word for word in skills if not SKILL.fullmatch(word)), None):
        errors["skills"] = f"“{wrong[:40]}” is not a skill. Write single words of at most 40 letters, with commas."
    if errors:
        return show_person(request, project, one, errors=errors)
    store(request, project, one.user.pk, languages, skills)
    return redirect("person", slug=project.slug, pk=pk)


def split(words: str) -> list[str]:
    """Without repeats, in the order given."""
    return list(dict.fromkeys(word for word in re.split(r"[,;\s]+", words.replace("\0", "")) if word))


@transaction.atomic
def store(request: MemberRequest, project: Project, pk: int, languages: list[str], skills: list[str]) -> None:
    member = Membership.objects.select_for_update().select_related("user").get(project=project, user_id=pk)
    changed = {}
    if member.user.languages != languages:
        changed["languages"] = [member.user.languages, languages]
        member.user.languages = languages
        member.user.save(update_fields=["languages"])
    if member.skills != skills:
        changed["skills"] = [member.skills, skills]
        member.skills = skills
        member.save(update_fields=["skills"])
    if changed:
        target = str(member.user)
        record_audit(
            actor=request.user, action="member.changed", project=project, target=target, user=pk, changed=changed
        )
    messages.success(request, "Saved." if changed else "Nothing was changed.")


@require_POST
@project_view(can_review)
@transaction.atomic
def let_in(request: MemberRequest, project: Project, pk: int) -> HttpResponseBase:
    """Overrule the qualification test: from now on this person gets tasks."""
    # Two reviewers at once make one row.
    member = get_object_or_404(Membership.objects.select_for_update(of=("self",)), project=project, user_id=pk)
    if people.may_be_let_in(project, member.user, member):
        last = next(iter(people.qualifications(project, member.user)), None)
        Qualification.objects.create(
            project=project, user=member.user, right=last.right if last else 0, tasks=last.tasks if last else 0,
            passed=True, overruled_by=request.user,
        )  # fmt: skip
        record_audit(
            actor=request.user, action="qualification.overruled", project=project, target=str(member.user), user=pk
        )
        messages.success(request, "Let in. Tasks are given from now on.")
    else:
        messages.info(request, "Nothing to overrule: the test does not stand between this person and the tasks.")
    return redirect("person", slug=project.slug, pk=pk)


# --- Oneself --------------------------------------------------------------------------------------------------------


@never_cache
@require_GET
@project_view(can_annotate)
def me(request: MemberRequest, project: Project) -> HttpResponse:
    """One's own work. Gold accuracy only where people are told about gold tasks anyway."""
    rules, user = rules_of(project), request.user
    work = people.work_of(project, user)
    context = own_context(project, user, work) | {
        "own": desk_progress(project=project, annotator=user), "goal": rules.daily_goal,
        "days_in_a_row": people.days_in_a_row(project, user),
        "time_today": people.time_today(project, user),
        "gold_told": rules.gold_feedback,
        "best_day": max(n for _, n in people.answers_by_day(project, user)),
    }  # fmt: skip
    return render(request, "annotate/me.html", context)
