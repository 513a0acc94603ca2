"""take_back: take an import back, but for what somebody has built on. Asked for on the import's own page."""

from pydantic import Field

from registry.specs.base import LARGEST_SEED, Spec


class TakeBackSpec(Spec):
    made: int = Field(ge=1, le=LARGEST_SEED, description="number of the import")
