from django.urls import path

from seawall.doors.console.keys.views import keys, new_key, revoke

urlpatterns = [
    path("keys", keys, name="keys"),
    path("new-key", new_key, name="new_key"),
    path("keys/<str:key_id>/revoke", revoke, name="revoke_key"),
]
