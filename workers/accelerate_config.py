"""How the child of a job that trains on several devices is started: by `accelerate launch`, with a file of settings.

The launcher is the child that the supervisor knows, and starts a process for each device. Each of those is
`workers.runner`: the first one speaks for the job, the others only compute (see workers.ranks). Free of torch.
"""

from __future__ import annotations

import importlib.util
import os
import socket
from pathlib import Path
from typing import Any

import yaml

from registry.models import Job
from registry.specs.training import SHARDED
from workers.errors import JobError

LAUNCH = ["-m", "accelerate.commands.accelerate_cli", "launch", "--config_file"]
FSDP = {
    "fsdp_version": 2, "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP", "fsdp_state_dict_type": "FULL_STATE_DICT",
    "fsdp_reshard_after_forward": True, "fsdp_offload_params": False, "fsdp_cpu_ram_efficient_loading": False,
    "fsdp_activation_checkpointing": False,
}  # fmt: skip
DEEPSPEED = {
    "deepspeed_multinode_launcher": "standard", "offload_optimizer_device": "none", "offload_param_device": "none",
    "zero3_init_flag": False,
}  # fmt: skip


def devices_of(job: Job) -> int:
    """How many processes a job asks for."""
    return int(job.params.get("devices", 1))


def command_of(job: Job, runner: list[str], *, gpus: int) -> list[str]:
    """The command line of a job's child. `runner` is `python -m module`; `gpus` are those that this worker sees.

    Raises JobError where the worker cannot do it: too few GPUs, or a package is missing.
    """
    attempt = [str(job.pk), str(job.attempt)]
    devices = devices_of(job)
    if devices == 1:
        return [*runner, *attempt]
    refuse(job.params, devices=devices, gpus=gpus)
    python, flag, module = runner
    assert flag == "-m", runner
    path = write(job, config_of(job.params, kind=job.kind, devices=devices, on_cpu=not gpus))
    return [python, *LAUNCH, str(path), "--module", module, *attempt]


def refuse(params: dict[str, Any], *, devices: int, gpus: int) -> None:
    strategy = params.get("strategy", "ddp")
    if 0 < gpus < devices:
        raise JobError(
            f"The run asks for {devices} devices, and this worker sees {gpus}. Ask for {gpus}, or start a worker that "
            "sees more: PALATE_DEVICE=0,1 lets it see the first two GPUs."
        )
    if not gpus and strategy != "ddp":
        raise JobError(
            f"The strategy {strategy} needs GPUs, and this worker sees none. Choose ddp, or a worker with GPUs."
        )
    needed = ["accelerate", *(["deepspeed"] if strategy.startswith("deepspeed") else [])]
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise JobError(
            f"Several devices with the strategy {strategy} need the package {' and '.join(missing)}, which this worker "
            f"lacks. Install it where the worker runs: pip install {' '.join(missing)}."
        )


def config_of(params: dict[str, Any], *, kind: str, devices: int, on_cpu: bool) -> dict[str, Any]:
    """What `accelerate launch` reads. Batch, steps and schedule are not in it: they are the trainer's."""
    strategy = params.get("strategy", "ddp")
    # What stays float32 is multiplied in bfloat16 where that is asked for; see workers.trl_engine.arguments.
    mixed = params.get("precision") == "bfloat16" and (params.get("method") == "full" or kind == "train_reward")
    config: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE", "distributed_type": "MULTI_GPU", "num_machines": 1, "machine_rank": 0,
        "num_processes": devices, "use_cpu": on_cpu, "mixed_precision": "bf16" if mixed else "no",
        "rdzv_backend": "static", "same_network": True, "main_process_ip": "127.0.0.1",
        "main_process_port": free_port(),
    }  # fmt: skip
    if strategy == "fsdp":
        config |= {"distributed_type": "FSDP", "fsdp_config": FSDP}
    elif strategy.startswith("deepspeed"):
        stage = int(strategy[-1])
        more = {"zero_stage": stage, "zero3_save_16bit_model": strategy in SHARDED}
        config |= {"distributed_type": "DEEPSPEED", "deepspeed_config": DEEPSPEED | more}
    return config


def write(job: Job, config: dict[str, Any]) -> Path:
    folder = job.folder / f"attempt-{job.attempt}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "accelerate.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def free_port() -> int:
    """Two runs on one machine meet at ports of their own."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def visible(gpus: int, device: str = "") -> int:
    """How many GPUs a child sees: those of CUDA_VISIBLE_DEVICES, where somebody narrowed them."""
    chosen = device or os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return min(gpus, len([one for one in chosen.split(",") if one.strip()])) if chosen else gpus
