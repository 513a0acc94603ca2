"""manage.py demo: run the demo, report its figures, or write its responses anew."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Project, User
from annotate.demo import seed
from annotate.models import Response
from evaluate import demo
from registry.models import Job


class Command(BaseCommand):
    help = "Run the whole loop on the demo project (workers must be running), or report what the last one measured."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--report", action="store_true", help="only print the figures, computed from what is stored"
        )
        parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
        parser.add_argument(
            "--sample-fixture", action="store_true", help=f"write {seed.RESPONSES.name} anew with the sample job"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["sample_fixture"]:
            self.sample_fixture()
        elif options["report"]:
            self.report(as_json=options["json"])
        else:
            self.run_demo(as_json=options["json"])

    def run_demo(self, *, as_json: bool) -> None:
        if demo.is_done():
            self.say("The demo is done already; its figures:")
        else:
            try:
                demo.run(say=self.say, show=self.show)
            except demo.DemoFailed as error:
                raise CommandError(str(error)) from error
        self.report(as_json=as_json)
        self.say("Sign in as admin, researcher or annotator, password " + seed.PASSWORD)

    def report(self, *, as_json: bool) -> None:
        project = Project.objects.filter(slug=seed.SLUG).first()
        if project is None or not demo.is_done():
            raise CommandError("There is no finished demo here. Run it with: make demo")
        report = demo.report(project)
        if as_json:
            self.stdout.write(json.dumps(report))
            return
        for name in ("reward_accuracy", "win_rate", "win_rate_by_reward_model"):
            figure = report[name]
            self.say(
                f"{name.replace('_', ' ')}: {figure['value']:.3f} "
                f"(95% {figure['low']:.3f} to {figure['high']:.3f}, n = {figure['n']:,})"
            )
        for step, seconds in report["seconds"].items():
            self.say(f"{step}: {seconds:.0f} s")

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def show(self, job: Job) -> None:
        """One line that is written over on a terminal, one line a change of state elsewhere."""
        share = f"{job.progress_done / job.progress_total:4.0%}" if job.progress_total else "    "
        line = f"  {job.name} {job.status} {share} {job.progress_text}"
        if sys.stdout.isatty():
            self.stdout.write(f"\r\033[K{line}", ending="\n" if job.is_finished else "")
            self.stdout.flush()
        elif job.is_finished or job.progress_done in (0, job.progress_total):
            self.say(line)

    def sample_fixture(self) -> None:
        project = seed.project()
        seed.base_model(project)
        seed.prompts(project)
        job = demo.sample_fixture(project, User.objects.get(username="researcher"))
        try:
            demo.follow(job, self.show)
        except demo.DemoFailed as error:
            raise CommandError(str(error)) from error
        rows = Response.objects.filter(job=job).select_related("prompt").order_by("prompt__key", "setting", "sample")
        with seed.RESPONSES.open("w", encoding="utf-8") as file:
            for row in rows:
                entry = {
                    "prompt_key": row.prompt.key, "setting": row.setting, "sample": row.sample, "text": row.text,
                    "tokens": row.tokens, "finish_reason": row.finish_reason, "seed": row.seed,
                }  # fmt: skip
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self.say(f"{rows.count():,} responses written to {seed.RESPONSES}")
