"""Django's settings for the type checker's plug-in; the tests themselves bind real data directories."""

from pathlib import Path

from seawall.app import django_configuration
from seawall.settings import Settings

globals().update(django_configuration(Settings(data_dir=Path("seawall-data"))))
