from django.urls import path

from seawall.doors.console.surfaces.views import new_surface, surface, surfaces

urlpatterns = [
    path("surfaces", surfaces, name="surfaces"),
    path("new-surface", new_surface, name="new_surface"),
    path("surfaces/<str:name>", surface, name="surface"),
]
