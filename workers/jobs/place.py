"""Put the project's queue in order, where there are too many tasks to let a person wait for it."""

from annotate import sampling
from registry.specs import PlaceSpec
from workers import responses
from workers.context import JobContext


def run(context: JobContext, spec: PlaceSpec) -> None:
    sampler = sampling.chosen(context.job.project)
    try:
        known: int | None = sampling.place_queue(context.job.project, tell=responses.teller(context))
    except sampling.Superseded as error:
        # Who chose anew has also asked for a job that places all tasks by the new choice.
        context.log(str(error))
        known = None
    with context.publish() as result:
        result.update(order=sampler.title, **({"given_up": True} if known is None else {"tasks_put_in_order": known}))
