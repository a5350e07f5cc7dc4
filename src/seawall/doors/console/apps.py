from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "seawall.doors.console"
    label = "console"

    def ready(self) -> None:
        """What may only be imported when every app is there."""
        from seawall.doors.console.sign_in import recording

        recording.connect()
