"""The kinds of job that workers can run, each a module with `run(context: JobContext, spec)`.

`spec` is the kind's model of registry.specs.SPECS, already validated. Modules are named, not imported, so that
a child loads torch only for the kinds that need it, and the worker itself never does.
"""

JOBS: dict[str, str] = {
    "build_dataset": "workers.jobs.build_dataset",
    "sample": "workers.jobs.sample",
    "train_reward": "workers.jobs.train_reward",
    "train_dpo": "workers.jobs.train_dpo",
    "train_sft": "workers.jobs.train_sft",
    "train_kto": "workers.jobs.train_kto",
    "train_joint": "workers.jobs.train_joint",
    "train_group": "workers.jobs.train_group",
    "train_edits": "workers.jobs.train_edits",
    "train_judge": "workers.jobs.train_judge",
    "doctor": "workers.jobs.doctor",
    "judge": "workers.jobs.judge",
    "bias": "workers.jobs.bias",
    "contrast": "workers.jobs.contrast",
    "embed": "workers.jobs.embed",
    "score": "workers.jobs.score",
    "place": "workers.jobs.place",
    "merge": "workers.jobs.merge",
    "serve": "workers.jobs.serve",
    "export": "workers.jobs.export",
    "import": "workers.jobs.import_",
    "take_back": "workers.jobs.take_back",
}
