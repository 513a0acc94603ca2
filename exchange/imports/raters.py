"""Raters of a file: users of their own, one a project, source and name, who never sign in; and the models it names."""

import hashlib
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import Project
from exchange.imports.backend import Backend
from exchange.imports.mapping import slug
from registry.models import ModelVersion

UNUSABLE = "!imported"
"""No password has this as its hash (Django's own mark of an unusable one is the exclamation mark)."""


class Raters:
    """Names in the file -> ids of users. The same name from the same source is the same person in every file of it."""

    def __init__(self, project: Project, source: str, backend: Backend) -> None:
        self.prefix = f"ext.{project.pk}.{slug(source) or 'file'}."
        self.backend = backend
        self.known: dict[str, int] = {}
        self.new = 0
        pattern = self.prefix.replace("\\", "\\\\").replace("_", "\\_") + "%"
        found = backend.query(
            "SELECT username, id FROM accounts_user WHERE username LIKE %s AND is_external", [pattern]
        )
        self.users: dict[str, int] = dict(found)
        backend.keep("accounts_user", list(self.users.values()))

    def id_of(self, name: str) -> int:
        if name not in self.known:
            username = self.prefix + username_of(name)
            if username not in self.users:
                self.users[username] = self.made(username, name)
                self.new += 1
            self.known[name] = self.users[username]
        return self.known[name]

    def made(self, username: str, name: str) -> int:
        return self.backend.insert(
            "INSERT INTO accounts_user (username, first_name, last_name, email, password, is_active, is_staff, "
            "is_superuser, is_simulated, is_external, languages, date_joined) "
            "VALUES (%s, %s, '', '', %s, false, false, false, false, true, '{}', %s) RETURNING id",
            [username, name[:150], UNUSABLE, timezone.now()],
        )


def username_of(name: str) -> str:
    plain = slug(name, 60)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class Models:
    """Names in the file -> ids of models: those of the project that the person said, else models without weights."""

    def __init__(self, project: Project, said: Any, backend: Backend) -> None:
        self.project, self.said, self.backend = project, said, backend
        self.known: dict[str, int | None] = {"": None}
        self.new_ids: list[int] = []
        self.outputs: dict[str, int] = {}
        """By the name in the file, kept in the model's config."""
        self.named: dict[str, int] = {}
        for pk, name, form, config in ModelVersion.objects.filter(project=project).values_list(
            "pk", "name", "format", "config"
        ):
            self.named[name] = pk
            if form == ModelVersion.Format.OUTPUTS:
                self.outputs[str(config.get("name_in_file", name))] = pk

    def check(self) -> None:
        """Raise ValueError where the person said a model that is not there."""
        for there, name in self.said.items():
            if name not in self.named:
                raise ValueError(f"There is no model {name} in {self.project}, which {there[:60]} was said to be.")

    def found(self, name: str) -> int | None:
        """As `id_of`; -1 where it would be a new one."""
        if name in self.known:
            return self.known[name]
        return self.named[self.said[name]] if name in self.said else self.outputs.get(name, -1)

    def id_of(self, name: str) -> int | None:
        if name not in self.known:
            there = self.named[self.said[name]] if name in self.said else self.outputs.get(name)
            if there is not None:
                self.backend.keep("registry_modelversion", [there])
            self.known[name] = self.made(name) if there is None else there
        return self.known[name]

    def made(self, name: str) -> int:
        plain = base = slug(name.replace("/", "-").replace(".", "-"), 60) or "model"
        number = 1
        while plain in self.named:  # a model with weights, or another name that is written alike
            number += 1
            plain = f"{base}-{number}"
        made = ModelVersion(
            project=self.project, name=plain, role="policy", format=ModelVersion.Format.OUTPUTS,
            config={"name_in_file": name[:200]},
        )  # fmt: skip
        # The columns are asked of the model, since the backend's thread has the connection and the ORM has not.
        fields = [field for field in ModelVersion._meta.concrete_fields if not field.primary_key]
        values = [field.get_db_prep_save(field.pre_save(made, add=True), connection) for field in fields]
        self.named[plain] = self.backend.insert(
            f"INSERT INTO registry_modelversion ({', '.join(str(field.column) for field in fields)}) "
            f"VALUES ({', '.join(['%s'] * len(fields))}) RETURNING id",
            values,
        )
        self.new_ids.append(self.named[plain])
        return self.named[plain]

    @property
    def names(self) -> list[str]:
        return [name for name in self.known if name]
