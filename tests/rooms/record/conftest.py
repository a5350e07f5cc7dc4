"""Django is configured before the test modules import tables; each test then binds its own database."""

from pathlib import Path

from django.conf import settings as django_settings

from seawall import app
from seawall.settings import Settings

if not django_settings.configured:
    app.bind(Settings(data_dir=Path("no-test-uses-this")))
