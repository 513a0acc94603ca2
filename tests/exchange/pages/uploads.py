"""Files that are sent, and the form of the mapping page as a browser would send it."""

import json
import uuid
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from exchange.models import Upload

State = Upload.State
START = "/p/helpful/import/"


def line(number: int, **values: Any) -> dict[str, Any]:
    return {
        "instruction": f"How do I cook beans? ({number})", "output_1": "Soak them first.", "output_2": "Open a tin.",
        "preference": 1 + number % 2, "lang": "en", "model_1": "base-7b", "model_2": "tuned-7b", "ann_id": "w1",
        **values,
    }  # fmt: skip


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return ("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n").encode()


ROWS = [line(number) for number in range(8)]


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "uploads").glob("*") if path.is_file()]


def send(client: Client, content: bytes, name: str = "battles.jsonl", **extra: Any) -> Any:
    return client.post(START, {"file": SimpleUploadedFile(name, content)}, **extra)


def sent(client: Client, content: bytes = jsonl(ROWS), name: str = "battles.jsonl") -> Upload:
    response = send(client, content, name)
    assert response.status_code == 302, response.content.decode()
    return Upload.objects.get(pk=int(response["Location"].rstrip("/").rsplit("/", 1)[1]))


def page_of(upload: Upload) -> str:
    return f"{START}{upload.pk}/"


def posted(client: Client, upload: Upload, **fields: Any) -> dict[str, Any]:
    """The form as the page holds it, with `fields` changed."""
    look = client.get(page_of(upload)).context["look"]
    form: dict[str, Any] = {f"column-{row.number}": row.chosen for row in look.rows}
    for row in look.rows:
        for place, one in enumerate(row.values):
            form |= {f"value-{row.number}-{place}": one.text, f"means-{row.number}-{place}": one.means}
    form |= {"format": look.wish.format, "raters": "auto", "source": "battles", "as_tasks": "0", "lang": "en"}
    return form | {"on_bad": "skip", "request_key": str(uuid.uuid4())} | fields


def number_of(client: Client, upload: Upload, name: str) -> int:
    rows = client.get(page_of(upload)).context["look"].rows
    return int(next(row.number for row in rows if row.column.name == name))
