"""Uploads of these tests lie in a folder of their own."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def artifacts(settings: Any, tmp_path: Path) -> Path:
    settings.ARTIFACTS = tmp_path
    return tmp_path
