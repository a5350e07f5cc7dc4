"""The console's addresses, page by page."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("seawall.doors.console.home.urls")),
    path("", include("seawall.doors.console.wizard.urls")),
    path("", include("seawall.doors.console.sign_in.urls")),
]
