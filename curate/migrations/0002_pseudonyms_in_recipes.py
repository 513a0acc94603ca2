"""Recipes name people by their pseudonyms: those that were stored with user names are turned, once."""

from typing import Any

from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from accounts.pseudonyms import NOBODY, is_pseudonym, pseudonym


def turned(named: list[Any], project_id: int, ids: dict[str, int]) -> list[str]:
    """Somebody without an account stays as somebody: with nobody left, the recipe would take everybody."""
    return [
        str(one) if is_pseudonym(str(one)) else pseudonym(project_id, ids[str(one)]) if str(one) in ids else NOBODY
        for one in named
    ]  # fmt: skip


def forwards(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    datasets = apps.get_model("registry", "Dataset").objects.exclude(recipe__annotators=[])
    jobs = apps.get_model("registry", "Job").objects.filter(kind="build_dataset").exclude(params__annotators=[])
    users = apps.get_model("accounts", "User").objects
    for rows, field in ((datasets, "recipe"), (jobs, "params")):
        for row in rows.filter(**{f"{field}__has_key": "annotators"}).iterator():
            recipe = getattr(row, field)
            ids = dict(users.filter(username__in=recipe["annotators"]).values_list("username", "pk"))
            recipe["annotators"] = turned(recipe["annotators"], row.project_id, ids)
            rows.model.objects.filter(pk=row.pk).update(**{field: recipe})


class Migration(migrations.Migration):
    dependencies = [
        ("curate", "0001_consent"),
        ("registry", "0002_imported"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [migrations.RunPython(forwards, migrations.RunPython.noop, elidable=True)]
