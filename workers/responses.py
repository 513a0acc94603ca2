"""The responses that people are still asked about, in batches that a model can read at once."""

from collections.abc import Callable, Iterator

from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Length

from accounts.models import Project
from annotate import sampling
from annotate.models import Response, Task, TaskResponse
from workers.context import JobContext


def of_open_tasks(project: Project) -> QuerySet[Response]:
    """Responses of work tasks that are not done; the order of gold and test tasks is fixed."""
    shown = TaskResponse.objects.filter(
        response=OuterRef("pk"), task__project=project, task__purpose=Task.Purpose.WORK,
        task__answered__lt=F("task__wanted"),
    )  # fmt: skip
    return Response.objects.filter(Exists(shown))


def batches(responses: QuerySet[Response], size: int) -> Iterator[list[Response]]:
    """Batches of texts of similar length, with their prompts. Long ones first, so that what does not fit shows at once.

    What is in them is settled when the first is asked for; a response that is deleted meanwhile is left out.
    """
    pks = list(responses.order_by(Length("text").desc(), "pk").values_list("pk", flat=True))
    for start in range(0, len(pks), size):
        found = Response.objects.select_related("prompt").in_bulk(pks[start : start + size])
        if found:
            yield [found[pk] for pk in pks[start : start + size] if pk in found]


def order_queue(context: JobContext, sampler: str) -> int | None:
    """Put the queue in order anew if the project uses `sampler`; of how many tasks it knew something, else None."""
    return sampling.place_if_chosen(context.job.project, sampler, tell=teller(context))


def teller(context: JobContext) -> Callable[[int, int], None]:
    """Tells how far the placing is, and stops it where the job shall stop."""

    def tell(done: int, total: int) -> None:
        context.check_stop()
        context.progress(done, total, f"{done:,} of {total:,} tasks put in order")

    return tell
