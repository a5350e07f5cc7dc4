from django.urls import path

from seawall.doors.console.health.views import examined, health

urlpatterns = [
    path("health", health, name="health"),
    path("health/examined", examined, name="health_examined"),
]
