from django.urls import path

from seawall.doors.console.explain.views import explain

urlpatterns = [path("x/<str:token>", explain, name="explain")]
