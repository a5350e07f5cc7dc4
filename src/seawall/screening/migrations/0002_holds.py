from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from seawall.screening.ledger.statements import read_statements


def create_ledger_parents(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """On PostgreSQL the ledger is partitioned tables; on SQLite its files are made day by day, without Django."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(read_statements("postgresql")["create"])


class Migration(migrations.Migration):
    dependencies = [("screening", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="LedgerDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("family", models.CharField(max_length=16)),
                ("logged_batches", models.BigIntegerField(default=0)),
            ],
            options={"db_table": "screening_ledger_day"},
        ),
        migrations.AddConstraint(
            model_name="ledgerday",
            constraint=models.UniqueConstraint(fields=("day", "family"), name="screening_ledger_day_once"),
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                ("screening_id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("surface", models.CharField(max_length=63)),
                ("day", models.DateField()),
                ("held_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(null=True)),
                ("on_expiry", models.CharField(blank=True, max_length=10)),
                ("state", models.CharField(default="waiting", max_length=10)),
                ("outcome", models.CharField(blank=True, max_length=10)),
                ("resolved_at", models.DateTimeField(null=True)),
                ("resolved_by", models.CharField(blank=True, max_length=100)),
                ("reason", models.TextField(blank=True)),
                ("has_preview", models.BooleanField()),
            ],
            options={
                "db_table": "screening_hold",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")), fields=["expires_at"], name="screening_hold_waiting"
                    ),
                    models.Index(fields=["day"], name="screening_hold_day"),
                ],
            },
        ),
        migrations.RunPython(create_ledger_parents, migrations.RunPython.noop),
    ]
