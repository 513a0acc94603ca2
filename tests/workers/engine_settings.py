"""Settings of the workers that the engine's tests start: their children know test kinds of job."""

import sys

from config.settings import *  # noqa: F403

JOB_RUNNER = [sys.executable, "-m", "tests.workers.engine_runner"]
