"""workers.runner, with the kind of job that the engine's tests run."""

import sys

import django

from workers.jobs import JOBS
from workers.runner import main

if __name__ == "__main__":
    django.setup()
    from registry.specs import SPECS
    from tests.workers.engine_kind import ENGINE_JOB

    SPECS["engine"] = ENGINE_JOB
    JOBS["engine"] = "tests.workers.engine_kind"
    sys.exit(main(sys.argv[1:]))
