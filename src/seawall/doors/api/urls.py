"""The addresses of this door. Everything that programs send content to is the gate's."""

from django.urls import path

from seawall.doors.api.docs import docs, icon, style
from seawall.doors.api.screenings import screening

urlpatterns = [
    path("docs", docs),
    path("docs/style.css", style),
    path("docs/icon.svg", icon),
    path("v1/screenings/<str:screening_id>", screening),
]
