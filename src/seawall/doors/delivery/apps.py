from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "seawall.doors.delivery"
    label = "delivery"
