from django.urls import path

from seawall.doors.console.log.views import log, verified

urlpatterns = [
    path("log", log, name="log"),
    path("log/verified", verified, name="log_verified"),
]
