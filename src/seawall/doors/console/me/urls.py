from django.urls import path

from seawall.doors.console.me.views import me, sign_out_everywhere

urlpatterns = [
    path("me", me, name="me"),
    path("me/sign-out-everywhere", sign_out_everywhere, name="sign_out_everywhere"),
]
