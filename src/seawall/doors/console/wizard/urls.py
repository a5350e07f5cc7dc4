from django.urls import path

from seawall.doors.console.wizard import steps, test_upload
from seawall.doors.console.wizard.views import setup, setup_link

urlpatterns = [
    path("setup", setup, name="setup"),
    path("setup/step/name", steps.name, name="setup_name"),
    path("setup/step/surface", steps.surface, name="setup_surface"),
    path("setup/step/mail", steps.mail, name="setup_mail"),
    path("setup/step/key", steps.key, name="setup_key"),
    path("setup/step/connect", steps.connect, name="setup_connect"),
    path("setup/step/test", test_upload.test, name="setup_test"),
    path("setup/step/test/seen", test_upload.seen, name="setup_test_seen"),
    path("setup/test-card.png", test_upload.picture, name="setup_test_card"),
    path("setup/step/done", steps.done, name="setup_done"),
    # Last: a token is whatever is none of the above.
    path("setup/<str:token>", setup_link, name="setup_link"),
]
