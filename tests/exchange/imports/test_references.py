"""References hold, whether PostgreSQL looks each up or takes them as they are."""

import json
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection, models, transaction

from accounts.models import Project
from annotate.models import Feedback, Task
from exchange.imports.base import Becomes, Mapping
from exchange.imports.formats import FORMATS
from exchange.imports.write import write

pytestmark = pytest.mark.django_db
MAPPING = Mapping(
    {name: Becomes.parse(role) for name, role in {
        "q": "prompt", "a": "response:a", "b": "response:b", "ma": "model:a", "won": "winner", "who": "rater",
        "score": "rating:a:tone",
    }.items()}, source="s",
)  # fmt: skip


def bring_in(tmp_path: Path, project: Project, *, first: int = 0) -> None:
    path = tmp_path / "f.jsonl"
    rows = [{"q": f"q{n % 7}", "a": f"a{n % 3}", "b": "b", "ma": f"m{n % 2}", "won": "a",
            "who": f"r{first + n}", "score": 3}
            for n in range(50)]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert write(path, FORMATS["jsonl"], MAPPING, project, None).counts.votes == 50


def broken_references() -> list[str]:
    """Foreign keys of all tables that rows are copied into, and that point to nothing."""
    found = []
    for model in apps.get_app_config("annotate").get_models():
        for field in model._meta.local_fields:
            if isinstance(field, models.ForeignKey):
                target = field.remote_field.model._default_manager.values("pk")
                rows = model._default_manager.exclude(**{field.attname: None}).exclude(
                    **{f"{field.attname}__in": target}
                )
                found += [f"{model.__name__}.{field.name}"] * rows.count()
    return found


def test_every_reference_of_an_import_points_to_a_row(tmp_path: Path, project: Project) -> None:
    for first in (0, 50):  # the second joins what the first has made
        bring_in(tmp_path, project, first=first)
    assert Feedback.objects.count() == 200  # a comparison and a rating each
    assert broken_references() == []


def test_references_are_looked_at_again_after_an_import(tmp_path: Path, project: Project) -> None:
    bring_in(tmp_path, project)
    with connection.cursor() as cursor:
        cursor.execute("SHOW session_replication_role")
        assert cursor.fetchone() == ("origin",)


def test_a_role_that_may_not_ask_for_trust_imports_all_the_same(tmp_path: Path, project: Project) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE ROLE plain_importer NOSUPERUSER")
        cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO plain_importer")
        cursor.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO plain_importer")
        cursor.execute("SET LOCAL ROLE plain_importer")
        bring_in(tmp_path, project)
        cursor.execute("RESET ROLE")
        assert Task.objects.count() > 0
        assert broken_references() == []
        transaction.set_rollback(True)
