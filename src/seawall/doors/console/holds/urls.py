from django.urls import path

from seawall.doors.console.holds import views

urlpatterns = [
    path("holds", views.holds, name="holds"),
    path("holds/<str:screening_id>", views.hold, name="hold"),
    path("holds/<str:screening_id>/decision", views.decision, name="hold_decision"),
    path("holds/<str:screening_id>/undo", views.undo, name="hold_undo"),
    path("holds/<str:screening_id>/parts/<int:number>", views.look, name="hold_look"),
    path("holds/<str:screening_id>/parts/<int:number>/hidden", views.hidden, name="hold_hidden"),
    path("holds/<str:screening_id>/parts/<int:number>/picture", views.picture, name="hold_picture"),
]
