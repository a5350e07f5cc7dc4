"""Every table there is, from Django's own registry: nobody keeps a list that could forget one."""

from typing import Any

from django.apps import apps
from django.db import connections
from django.db.models import Field, Model, QuerySet

#: Django's own note of what it migrated; each database has its own.
MIGRATIONS = "django_migrations"


def tables() -> list[type[Model]]:
    """The models whose rows lie in tables of ours, those between two others included."""
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and not model._meta.swapped  # noqa: SLF001 - documented by Django
    ]


def rows_of(model: type[Model], alias: str = "default") -> QuerySet[Model]:
    """Every row: no manager of the model's own leaves any out."""
    return QuerySet(model=model, using=alias)


def columns_of(model: type[Model]) -> "list[Field[Any, Any]]":
    return list(model._meta.concrete_fields)  # noqa: SLF001


def table_of(model: type[Model]) -> str:
    return model._meta.db_table  # noqa: SLF001


def forgotten(alias: str) -> list[str]:
    """Tables of the database that no model of this release knows."""
    known = {table_of(model) for model in tables()} | {MIGRATIONS}
    return sorted(set(connections[alias].introspection.table_names()) - known)
