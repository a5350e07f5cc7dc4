from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from seawall.doors.console.access import page
from seawall.members.roles import Right


@page(Right.LOOK)
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "console/home/home.html")
