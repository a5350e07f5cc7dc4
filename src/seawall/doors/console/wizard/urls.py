from django.urls import path

from seawall.doors.console.wizard.views import setup

urlpatterns = [path("setup", setup, name="setup")]
