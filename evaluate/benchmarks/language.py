"""language: the same pair in two languages. A judge that is as good in each is right in both, or in none."""

from accounts.models import Project
from evaluate.benchmarks.base import Result
from evaluate.benchmarks.measures import across_languages, case_figures
from evaluate.benchmarks.on_cases import FAIR, TOWARDS, newest, reads_both


def run(project: Project) -> list[Result]:
    """Accuracy in English and in the others, and the share of pairs that are right in every language."""
    found = []
    for (voice, _), rows in newest(project, ("language",)).items():
        both = reads_both(voice)
        for name, some in (
            ("English", [row for row in rows if row["lang"] == "en"]),
            ("other languages", [row for row in rows if row["lang"] != "en"]),
        ):
            swapped = [row["swapped"] for row in some] if both else None
            figures = case_figures([row["given"] for row in some], swapped, [row["better_first"] for row in some])
            found.append(
                Result("language", f"{name}: chooses the better", voice, figures.single, FAIR, TOWARDS,
                       left_out=figures.unparseable)
            )  # fmt: skip
        right = [row["given"] == 1 and (not both or row["swapped"] == 1) for row in rows]
        same = across_languages(right, [row["group"] for row in rows])
        found.append(Result("language", "right in every language", voice, same, FAIR, TOWARDS))
    return found
