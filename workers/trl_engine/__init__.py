"""TRL as an engine: its trainers on our rows, settings and jobs. Its API moves, so nothing else here knows it.

`fit.py` does what `workers.training.train` does for our own loop: the same tokens (of a learner's rows), the same order
of batches, schedule and start model; curves, checkpoints, stop and resume through the same job. A *recipe* (a file each
for DPO, KTO, SFT and reward models) says which trainer, with which options, on which columns. `trl` and `datasets` are
imported where they are used, so a worker without them runs everything else.
"""
