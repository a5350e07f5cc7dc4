from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "seawall.doors.console"
    label = "console"
