from django.urls import path

from seawall.doors.console.home.views import home, sources

urlpatterns = [
    path("", home, name="home"),
    path("sources", sources, name="sources"),
]
