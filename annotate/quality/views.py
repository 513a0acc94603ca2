"""The page Quality: how far raters agree on what, where answers contradict themselves, how accurate they are."""

import csv
import io
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.models import Project, User
from accounts.permissions import can_review, project_view
from accounts.requests import MemberRequest
from annotate.quality import charts as quality_charts
from annotate.quality import measures, pseudonyms
from annotate.quality.agreement import NOTHING_SHARED, ONE_UNIT, ONE_VALUE, Estimate
from annotate.quality.measures import ENOUGH_SHARED, Row, Voice, level_words
from annotate.quality.progress import Overlap, overlap_of
from pages.charts import Chart, standalone_svg, to_csv
from pages.charts.download import harmless

WHY = {
    NOTHING_SHARED: "no item has two raters yet",
    ONE_VALUE: "only one value was ever used, so whoever does not look would agree as well",
    ONE_UNIT: "an interval needs two shared items",
}
RULES = {
    "vote_against_ratings": "The ratings favour the other answer than the comparison does",
    "vote_against_dimensions": "Every dimension favours the other answer",
    "both_bad_with_high_ratings": "Both bad, and yet rated 4 or more",
    "winner_with_critical_mark": "Clearly better, with a critical error marked in it",
}
COLUMNS = (
    "raters_are", "kind", "measure", "language", "figure", "level", "value", "low", "high", "items", "raters", "reason",
)  # fmt: skip


@require_GET
@project_view(can_review)
def quality(request: MemberRequest, project: Project) -> HttpResponse:
    """?who=simulated shows simulated raters; without people's answers they are shown anyway, and it is said."""
    found = measures.voices(project)
    voice = chosen(found.value, request.GET.get("who", ""))
    rules, touched = measures.contradictions(project, simulated=bool(voice and voice.simulated))
    context: dict[str, Any] = {
        "project": project, "voice": voice, "voices": found.value, "at": found.at,
        "rules": [(RULES.get(one.name, one.name.replace("_", " ")), one) for one in rules], "touched": touched,
        "asked": sum(one.total for one in rules), "changed": sum(one.changed for one in rules),
    }  # fmt: skip
    if voice:
        names = names_in(request, project, voice)
        context |= {
            "sentence": sentence(voice, overlap_of(project, simulated=voice.simulated)),
            "who": quality_charts.who(voice),
            "rows": [(row, why(row.alpha), level_words(row.alpha)) for row in voice.rows if row.units],
            "not_shared": [row.measure for row in voice.rows if not row.units and not row.lang],
            "other_levels": any(len(row.alphas) > 1 for row in voice.rows),
            "agreement_chart": drawn("agreement", voice, names),
            "kappa_chart": quality_charts.kappa(
                voice, names.__getitem__, href=lambda user: reverse("person", args=[project.slug, user])
            ),
            "enough_shared": ENOUGH_SHARED,
        }
    return render(request, "annotate/quality.html", context)


def chosen(voices: tuple[Voice, ...], who: str) -> Voice | None:
    asked = [one for one in voices if one.simulated == (who == "simulated")]
    return next(iter(asked or voices), None)


def names_in(request: MemberRequest, project: Project, voice: Voice) -> dict[int, str]:
    users = {user for pair in voice.pairs for user in (pair.one, pair.other)}
    return dict(pseudonyms.names(request, project, User.objects.filter(pk__in=users)))


def why(found: Estimate) -> str:
    """Why there is no figure, or no interval, in words of the page."""
    return WHY.get(found.reason, found.reason)


def sentence(voice: Voice, overlap: Overlap) -> str:
    """The finding of the page."""
    main, who = voice.main, "Simulated raters" if voice.simulated else "People"
    if main is None or not main.units:
        return nothing_shared(overlap, simulated=voice.simulated)
    if main.alpha.value is None:
        return f"On {main.measure.name}, agreement of {who.lower()} is undefined: {why(main.alpha)}."
    items = f"{main.units:,} shared item{'' if main.units == 1 else 's'}"
    figure = f"alpha {main.alpha.value:.2f}"
    if main.alpha.low is not None and main.alpha.high is not None:
        figure += f", {main.alpha.low:.2f} to {main.alpha.high:.2f}"
    return f"{who} agree {level_words(main.alpha)} on {main.measure.name}: {figure}, on {items}."


def nothing_shared(overlap: Overlap, *, simulated: bool) -> str:
    """Why nothing can be said of agreement yet, and what changes it."""
    items = f"{overlap.items:,} item{'' if overlap.items == 1 else 's'}"
    if not overlap.items:
        return "Only gold and test tasks were answered yet, and agreement is not read from those."
    if overlap.shared:
        return f"{overlap.shared:,} of {items} have two raters, and nothing in their answers can be compared."
    one = "One simulated rater" if simulated else "One person"
    begin = f"{one} has answered {items}" if overlap.raters == 1 else f"{items} answered, and none by two raters yet"
    if not overlap.may_be_shared:
        return (
            f"{begin}. Each asks for a single rater: make tasks with 2 raters an item or more to learn if they agree."
        )
    ask = "asks" if overlap.may_be_shared == 1 else "ask"
    return (
        f"{begin}. {overlap.may_be_shared:,} of them {ask} for two raters or more: "
        "agreement is known when a second one answers."
    )


def drawn(name: str, voice: Voice, names: dict[int, str]) -> Chart:
    if name == "agreement":
        return quality_charts.agreement(voice)
    return quality_charts.kappa(voice, names.__getitem__)


@require_GET
@project_view(can_review)
def chart(request: MemberRequest, project: Project, who: str, name: str) -> HttpResponse:
    """?format=svg (with ?theme=dark) or csv."""
    voice = next((one for one in measures.voices(project).value if one.simulated == (who == "simulated")), None)
    if name not in {"agreement", "kappa"} or who not in {"people", "simulated"} or voice is None:
        raise Http404("There is no such chart, or nobody has answered yet.")
    found = drawn(name, voice, names_in(request, project, voice))
    if request.GET.get("format", "svg") == "csv":
        return attachment(to_csv(found), "text/csv; charset=utf-8", f"{project.slug}-{name}-{who}.csv")
    theme = "dark" if request.GET.get("theme") == "dark" else "light"
    return attachment(standalone_svg(found, theme), "image/svg+xml", f"{project.slug}-{name}-{who}.svg")


@require_GET
@project_view(can_review)
def agreement_csv(request: MemberRequest, project: Project) -> HttpResponse:
    """Every figure of the table, at every level, people and simulated raters one after the other."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for voice in measures.voices(project).value:
        for row in voice.rows:
            for name, level, found in figures(row):
                cells = (
                    quality_charts.who(voice), row.measure.kind, row.measure.name, row.lang or "all", name, level,
                    found.value, found.low, found.high, found.n, row.raters, why(found),
                )  # fmt: skip
                writer.writerow(["" if cell is None else harmless(cell) for cell in cells])
    return attachment(out.getvalue(), "text/csv; charset=utf-8", f"{project.slug}-agreement.csv")


def figures(row: Row) -> list[tuple[str, str, Estimate]]:
    levels = [("Krippendorff's alpha", str(level), found) for level, found in row.alphas.items()]
    return [("raw agreement", "nominal", row.raw), ("Fleiss' kappa", "nominal", row.fleiss), *levels]


def attachment(content: str, kind: str, filename: str) -> HttpResponse:
    return HttpResponse(
        content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{filename}"'}
    )
