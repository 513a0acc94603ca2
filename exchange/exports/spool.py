"""An export made whole before its first byte is sent.

Rows are read in one snapshot of the database, and an open snapshot keeps the server from cleaning up. Read straight
into the answer it would stay open for as long as the slowest reader likes; so it ends when the file is made, and the
reader waits on a file. The file has no name: it is gone with the answer, or with the process.
"""

import tempfile
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from exchange.exports.errors import ExportError
from exchange.exports.stream import Export

FOLDER = "spool"


def spooled(made: Export) -> BinaryIO:
    """The file, to be read from its beginning and closed. Raises ExportError where the disk does not take it."""
    folder = Path(settings.ARTIFACTS) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed by who sends it
    try:
        for block in made.blocks():
            file.write(block)
        file.flush()
    except OSError as error:
        file.close()
        raise ExportError(f"The export could not be written aside before it is sent: {error.strerror}.") from error
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file
