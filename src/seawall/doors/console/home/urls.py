from django.urls import path

from seawall.doors.console.home.views import home

urlpatterns = [path("", home, name="home")]
