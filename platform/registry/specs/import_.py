"""import: bring an uploaded file into the project. What becomes of its columns is kept with the upload."""

from pydantic import Field

from registry.specs.base import Spec


class ImportSpec(Spec):
    upload: int = Field(ge=1, description="number of the uploaded file")
