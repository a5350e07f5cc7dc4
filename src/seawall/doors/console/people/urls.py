from django.urls import path

from seawall.doors.console.people.views import people, person, person_link, person_remove

urlpatterns = [
    path("people", people, name="people"),
    path("people/<str:person_id>", person, name="person"),
    path("people/<str:person_id>/link", person_link, name="person_link"),
    path("people/<str:person_id>/remove", person_remove, name="person_remove"),
]
