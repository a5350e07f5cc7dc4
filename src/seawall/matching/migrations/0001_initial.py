
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Bank',
            fields=[
                ('id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('number', models.BigIntegerField(unique=True)),
                ('name', models.CharField(max_length=63)),
                ('kind', models.CharField(choices=[('listed', 'listed'), ('known_safe', 'known_safe'), ('no_look', 'no_look')], max_length=20)),
                ('default_action', models.CharField(max_length=10)),
                ('max_distance', models.PositiveSmallIntegerField(default=31)),
                ('labels', models.JSONField(default=list)),
                ('listed_by', models.CharField(blank=True, default='', max_length=200)),
                ('trusted_to_block', models.BooleanField(default=False)),
                ('trusted_by', models.CharField(blank=True, default='', max_length=80)),
                ('trusted_at', models.DateTimeField(null=True)),
                ('confirmations_to_block', models.PositiveSmallIntegerField(default=3)),
                ('counts_as_protection', models.BooleanField(default=True)),
                ('reporting_duty', models.TextField(blank=True, default='')),
                ('created_at', models.DateTimeField()),
                ('created_by', models.CharField(max_length=80)),
                ('retired_at', models.DateTimeField(null=True)),
                ('changed', models.BigIntegerField()),
            ],
            options={
                'db_table': 'matching_bank',
                'constraints': [models.UniqueConstraint(condition=models.Q(('retired_at__isnull', True)), fields=('name',), name='matching_bank_name')],
            },
        ),
        migrations.CreateModel(
            name='Import',
            fields=[
                ('id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('number', models.BigIntegerField(unique=True)),
                ('source', models.CharField(blank=True, default='', max_length=200)),
                ('started_at', models.DateTimeField()),
                ('started_by', models.CharField(max_length=80)),
                ('worker', models.CharField(max_length=200)),
                ('active_at', models.DateTimeField()),
                ('visible_at', models.DateTimeField(null=True)),
                ('added', models.BigIntegerField(default=0)),
                ('duplicates', models.BigIntegerField(default=0)),
                ('errors', models.BigIntegerField(default=0)),
                ('digest', models.CharField(blank=True, default='', max_length=64)),
                ('changed', models.BigIntegerField(null=True)),
                ('bank', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='imports', to='matching.bank')),
            ],
            options={
                'db_table': 'matching_import',
            },
        ),
        migrations.CreateModel(
            name='ListedSignal',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('type', models.CharField(max_length=20)),
                ('value', models.TextField()),
                ('digest', models.BinaryField()),
                ('quality', models.PositiveSmallIntegerField(null=True)),
                ('labels', models.JSONField(default=list)),
                ('source', models.CharField(blank=True, default='', max_length=200)),
                ('opinion', models.CharField(default='positive', max_length=20)),
                ('confidence', models.PositiveSmallIntegerField(null=True)),
                ('note', models.TextField(blank=True, default='')),
                ('status', models.CharField(default='active', max_length=20)),
                ('muted_until', models.DateTimeField(null=True)),
                ('confirmed_by', models.JSONField(default=list)),
                ('disputed', models.BooleanField(default=False)),
                ('changed', models.BigIntegerField(null=True)),
                ('bank', models.ForeignKey(db_column='bank_number', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='matching.bank', to_field='number')),
                ('imported_in', models.ForeignKey(db_column='import_number', db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='matching.import', to_field='number')),
            ],
            options={
                'db_table': 'matching_signal',
                'indexes': [models.Index(condition=models.Q(('changed__isnull', False)), fields=['changed'], name='matching_signal_changed'), models.Index(condition=models.Q(('imported_in__isnull', False)), fields=['imported_in', 'id'], name='matching_signal_imported')],
                'constraints': [models.UniqueConstraint(fields=('bank', 'type', 'digest'), name='matching_signal_once')],
            },
        ),
    ]
