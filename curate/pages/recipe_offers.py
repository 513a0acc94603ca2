"""What a recipe may choose from in a project, with how much there is of each."""

from collections import Counter
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Count

from accounts.models import Project, User
from accounts.permissions import can_admin
from accounts.pseudonyms import pseudonym
from accounts.requests import MemberRequest
from annotate.models import Feedback, Response
from annotate.quality.pseudonyms import are_shown, names
from curate.making.kept import Kept
from registry.models import Job

ORIGINS = {"human": "People", "simulated": "Simulated annotators", "imported": "Imported raters"}
KINDS = {
    "pairwise": "Pairwise", "chat": "Chat", "ranking": "Ranking", "rubric": "Rubric", "critique": "Critique",
    "edit": "Edit", "selection": "Selection",
}  # fmt: skip


@dataclass(frozen=True)
class Offer:
    value: str
    label: str
    count: int


@dataclass(frozen=True)
class Offers:
    origins: list[Offer] = field(default_factory=list)
    """Counts of current answers, as for kinds, languages and people."""
    kinds: list[Offer] = field(default_factory=list)
    languages: list[Offer] = field(default_factory=list)
    annotators: list[Offer] = field(default_factory=list)
    """By pseudonym; the label is what this person may call them."""
    usernames: dict[str, str] = field(default_factory=dict)
    """{user name: pseudonym} of those that this person may call by their user name."""
    tags: list[Offer] = field(default_factory=list)
    """Counts of prompts."""
    rounds: list[Offer] = field(default_factory=list)
    """Counts of responses, of finished sample runs, newest first."""

    def of(self, name: str) -> list[Offer]:
        found: list[Offer] = getattr(self, name)
        return found


def offers(request: MemberRequest, project: Project) -> Offers:
    """Counts of answers are kept until an answer comes or goes: at a million of them they take seconds."""
    kinds, origins, people, langs = Kept(project).keep("offers", (), lambda: counted(project))
    users = {one.pk: one for one in User.objects.filter(pk__in=people)}
    labels = names(request, project, users.values())
    values = {pk: pseudonym(project.pk, pk) for pk in users}
    rounds = (
        Response.objects.filter(job__project=project, job__kind="sample", job__status=Job.Status.SUCCEEDED)
        .values_list("job__name").annotate(n=Count("pk")).order_by("-job_id")
    )  # fmt: skip
    return Offers(
        origins=[Offer(one, words, origins[one]) for one, words in ORIGINS.items()],
        kinds=[Offer(one, words, kinds[one]) for one, words in KINDS.items()],
        languages=[Offer(one, one, count) for one, count in langs.most_common()],
        annotators=[Offer(values[pk], labels[pk], n) for pk, n in people.most_common()],
        usernames={one.username: values[pk] for pk, one in users.items() if may_name(request, project, one)},
        tags=tags(project),
        rounds=[Offer(name, name, count) for name, count in rounds],
    )


def counted(project: Project) -> tuple[Counter[str], Counter[str], Counter[int], Counter[str]]:
    """Current answers by kind, origin, person and language."""
    kinds: Counter[str] = Counter()
    origins: Counter[str] = Counter()
    people: Counter[int] = Counter()
    langs: Counter[str] = Counter()
    grouped = Feedback.current.filter(project=project).values_list("kind", "origin", "annotator_id", "task__lang")
    for kind, origin, person, lang, count in grouped.annotate(n=Count("pk")).order_by():
        kinds[kind] += count
        origins[origin] += count
        people[person] += count
        langs[lang] += count
    return kinds, origins, people, langs


def may_name(request: MemberRequest, project: Project, user: User) -> bool:
    return user.is_simulated or user == request.user or are_shown(request, project) or can_admin(request.user, project)


def tags(project: Project) -> list[Offer]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tag, count(*) FROM annotate_prompt, jsonb_array_elements_text(tags) AS tag "
            "WHERE project_id = %s GROUP BY tag ORDER BY count(*) DESC, tag",
            [project.pk],
        )
        return [Offer(tag, tag, count) for tag, count in cursor.fetchall()]
