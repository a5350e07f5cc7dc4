from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from seawall.doors.console.access import page
from seawall.members.roles import Right


@page(Right.CONFIGURE, during_setup=True)
def setup(request: HttpRequest) -> HttpResponse:
    return render(request, "console/home/home.html")
