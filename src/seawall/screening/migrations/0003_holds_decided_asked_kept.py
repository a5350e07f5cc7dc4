from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

_WAITING = models.Q(("state", "waiting"))
_ASKED = models.Q(("state", "waiting"), ("asked_at__isnull", False))
_RESOLVED = models.Q(("resolved_at__isnull", False))


def forget_old_previews(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The release before destroyed the bytes with every decision, and left the rows saying that there are some."""
    holds = apps.get_model("screening", "Hold").objects.using(schema_editor.connection.alias)
    holds.exclude(state="waiting").update(has_preview=False)


class Migration(migrations.Migration):
    dependencies = [("screening", "0002_holds")]

    operations = [
        migrations.RunPython(forget_old_previews, migrations.RunPython.noop),
        migrations.RemoveIndex(model_name="hold", name="screening_hold_waiting"),
        migrations.AddField(
            model_name="hold",
            name="origin",
            field=models.CharField(db_default="screened", default="screened", max_length=10),
        ),
        migrations.AddField(
            model_name="hold",
            name="decided_outcome",
            field=models.CharField(blank=True, db_default="", default="", max_length=10),
        ),
        migrations.AddField(model_name="hold", name="decided_at", field=models.DateTimeField(null=True)),
        migrations.AddField(
            model_name="hold",
            name="decided_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=100),
        ),
        migrations.AddField(
            model_name="hold", name="decided_reason", field=models.TextField(blank=True, db_default="", default="")
        ),
        migrations.AddField(model_name="hold", name="asked_at", field=models.DateTimeField(null=True)),
        migrations.AddField(
            model_name="hold",
            name="asked_claim",
            field=models.CharField(blank=True, db_default="", default="", max_length=20),
        ),
        migrations.AddField(
            model_name="hold", name="asked_text", field=models.TextField(blank=True, db_default="", default="")
        ),
        migrations.AddField(model_name="hold", name="keep_bytes_until", field=models.DateTimeField(null=True)),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(condition=_WAITING, fields=["expires_at", "screening_id"], name="screening_hold_due"),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                condition=_WAITING, fields=["surface", "expires_at", "screening_id"], name="screening_hold_surface"
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(condition=_ASKED, fields=["asked_at", "screening_id"], name="screening_hold_asked"),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                condition=_ASKED, fields=["surface", "asked_at", "screening_id"], name="screening_hold_asked_in"
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                condition=models.Q(("decided_at__isnull", False)), fields=["decided_at"], name="screening_hold_pending"
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(condition=_RESOLVED, fields=["resolved_at", "screening_id"], name="screening_hold_done"),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                condition=_RESOLVED,
                fields=["surface", "resolved_at", "screening_id"],
                name="screening_hold_done_in",
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                condition=models.Q(("keep_bytes_until__isnull", False)),
                fields=["keep_bytes_until"],
                name="screening_hold_kept",
            ),
        ),
    ]
