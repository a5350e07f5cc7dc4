from django.urls import path

from seawall.doors.console.policy.editing import new_rule, remove_rule, restore, rule
from seawall.doors.console.policy.views import policy, version, versions

urlpatterns = [
    path("policy", policy, name="policy"),
    path("policy/new-rule", new_rule, name="new_rule"),
    path("policy/rules/<str:name>", rule, name="rule"),
    path("policy/rules/<str:name>/remove", remove_rule, name="remove_rule"),
    path("policy/versions", versions, name="versions"),
    path("policy/versions/<int:number>", version, name="version"),
    path("policy/versions/<int:number>/restore", restore, name="restore_version"),
]
