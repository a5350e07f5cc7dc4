from django.apps import AppConfig


class ScreeningConfig(AppConfig):
    name = "seawall.screening"
    label = "screening"
    default_auto_field = "django.db.models.BigAutoField"
