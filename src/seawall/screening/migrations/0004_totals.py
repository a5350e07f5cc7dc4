from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("screening", "0003_holds_decided_asked_kept")]

    operations = [
        migrations.CreateModel(
            name="ScreeningTotals",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("family", models.CharField(max_length=16)),
                ("surface", models.CharField(max_length=63)),
                ("uploads", models.BigIntegerField(db_default=0, default=0)),
                ("degraded", models.BigIntegerField(db_default=0, default=0)),
                ("held", models.BigIntegerField(db_default=0, default=0)),
                ("blocked", models.BigIntegerField(db_default=0, default=0)),
                ("released", models.BigIntegerField(db_default=0, default=0)),
                ("refused", models.BigIntegerField(db_default=0, default=0)),
                ("expired", models.BigIntegerField(db_default=0, default=0)),
            ],
            options={"db_table": "screening_totals"},
        ),
        migrations.AddConstraint(
            model_name="screeningtotals",
            constraint=models.UniqueConstraint(fields=("day", "family", "surface"), name="screening_totals_once"),
        ),
    ]
