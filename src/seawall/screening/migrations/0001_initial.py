from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="PolicyVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("policy_id", models.CharField(max_length=63)),
                ("version", models.PositiveIntegerField()),
                ("rules", models.TextField()),
                ("note", models.TextField(blank=True)),
                ("saved_at", models.DateTimeField()),
                ("saved_by", models.CharField(max_length=120)),
            ],
            options={"db_table": "screening_policy"},
        ),
        migrations.CreateModel(
            name="SurfaceRow",
            fields=[
                ("name", models.CharField(max_length=63, primary_key=True, serialize=False)),
                ("body", models.TextField()),
                ("saved_at", models.DateTimeField()),
                ("saved_by", models.CharField(max_length=120)),
            ],
            options={"db_table": "screening_surface"},
        ),
        migrations.AddConstraint(
            model_name="policyversion",
            constraint=models.UniqueConstraint(fields=("policy_id", "version"), name="screening_policy_version"),
        ),
    ]
