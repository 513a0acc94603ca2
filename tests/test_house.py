"""The house rules that a machine can check quickly."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "safetensors")
AS_THE_WEB_DOES = f"""
import sys
import config.wsgi
from django.urls import get_resolver
get_resolver().url_patterns  # every view of every app
print(sorted(set(sys.modules) & set({HEAVY!r})))
"""


def test_platform_is_the_module_of_the_standard_library() -> None:
    import platform

    assert platform.python_version().startswith("3.")
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_the_web_process_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_THE_WEB_DOES], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_layers_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_every_direct_dependency_is_pinned() -> None:
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    text = (ROOT / "constraints.txt").read_text()
    pins = dict(line.split("==") for line in text.splitlines() if "==" in line)
    for requirement in map(Requirement, asked):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is in pyproject.toml but not in constraints.txt: run `make lock`"
        assert pins[name] in requirement.specifier, f"{name}=={pins[name]} does not fit {requirement.specifier}"
