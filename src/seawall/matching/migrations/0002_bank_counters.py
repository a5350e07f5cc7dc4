from datetime import UTC, datetime
from uuid import UUID

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import CharField, Count, Max, Q
from django.db.models.functions import Cast


def count(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Count what the banks have, once and whole; from now on every change of a signal counts itself."""
    bank, listed, imported = (apps.get_model("matching", name) for name in ("Bank", "ListedSignal", "Import"))
    finished = imported.objects.exclude(visible_at=None)
    visible = Q(imported_in=None) | Q(imported_in__in=finished.values("number"))
    # PostgreSQL knows no greatest UUID, but as texts they sort alike.
    newest = Max(Cast("id", CharField()))
    rows = listed.objects.filter(visible, status="active").order_by().values_list("bank_id")
    for number, signals, newest_id in rows.annotate(signals=Count("*"), newest=newest).iterator():
        # The id's first 48 bits are the milliseconds of its making.
        came = datetime.fromtimestamp((UUID(newest_id).int >> 80) / 1000, tz=UTC)
        bank.objects.filter(number=number).update(active_signals=signals, newest_signal_at=came)
    for bank_id, last in finished.order_by().values_list("bank_id").annotate(last=Max("visible_at")):
        bank.objects.filter(id=bank_id).update(last_import_at=last)


class Migration(migrations.Migration):
    dependencies = [("matching", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="bank", name="active_signals", field=models.BigIntegerField(db_default=0, default=0)
        ),
        migrations.AddField(model_name="bank", name="newest_signal_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="bank", name="last_import_at", field=models.DateTimeField(null=True)),
        migrations.RunPython(count, migrations.RunPython.noop),
    ]
