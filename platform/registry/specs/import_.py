"""import: bring an uploaded file into the project. What becomes of its columns is kept with the upload."""

from pydantic import Field

from registry.specs.base import LARGEST_SEED, Spec


class ImportSpec(Spec):
    upload: int = Field(ge=1, le=LARGEST_SEED, description="number of the uploaded file")
