from django.urls import path

from seawall.doors.console.try_it.views import try_it

urlpatterns = [path("try", try_it, name="try_it")]
