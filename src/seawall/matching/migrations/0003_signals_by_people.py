from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("matching", "0002_bank_counters")]

    operations = [
        migrations.AddIndex(
            model_name="import",
            index=models.Index(
                fields=["bank", "id"],
                name="matching_import_of_bank",
                condition=models.Q(("visible_at__isnull", False)),
            ),
        ),
        migrations.AddIndex(
            model_name="listedsignal",
            index=models.Index(
                fields=["bank", "id"],
                name="matching_signal_by_people",
                condition=models.Q(("imported_in__isnull", True)),
            ),
        ),
    ]
