"""The console's addresses, page by page."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("seawall.doors.console.home.urls")),
    path("", include("seawall.doors.console.wizard.urls")),
    path("", include("seawall.doors.console.holds.urls")),
    path("", include("seawall.doors.console.try_it.urls")),
    path("", include("seawall.doors.console.explain.urls")),
    path("", include("seawall.doors.console.log.urls")),
    path("", include("seawall.doors.console.health.urls")),
    path("", include("seawall.doors.console.banks.urls")),
    path("", include("seawall.doors.console.policy.urls")),
    path("", include("seawall.doors.console.surfaces.urls")),
    path("", include("seawall.doors.console.keys.urls")),
    path("", include("seawall.doors.console.sign_in.urls")),
    path("", include("seawall.doors.console.me.urls")),
    path("", include("seawall.doors.console.people.urls")),
]
