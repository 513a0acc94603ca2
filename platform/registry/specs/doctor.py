"""doctor: look at a training's data, as the trainer will read it, before it runs."""

from typing import Any

from pydantic import Field

from registry.specs.base import Spec


class DoctorSpec(Spec):
    kind: str = Field(min_length=1, max_length=40, description="the kind of training that the data are for")
    params: dict[str, Any] = Field(description="its settings")
