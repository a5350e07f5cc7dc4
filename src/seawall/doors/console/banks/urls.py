from django.urls import path

from seawall.doors.console.banks.changing import change, new_bank, rename, retire
from seawall.doors.console.banks.listing import add, add_file, import_file
from seawall.doors.console.banks.signals import change_signal, find, signal
from seawall.doors.console.banks.views import bank, banks, imported

urlpatterns = [
    path("banks", banks, name="banks"),
    path("new-bank", new_bank, name="new_bank"),
    path("banks/<str:name>", bank, name="bank"),
    path("banks/<str:name>/rules", change, name="change_bank"),
    path("banks/<str:name>/rename", rename, name="rename_bank"),
    path("banks/<str:name>/retire", retire, name="retire_bank"),
    path("banks/<str:name>/find", find, name="find_signal"),
    path("banks/<str:name>/add", add, name="add_signals"),
    path("banks/<str:name>/add-file", add_file, name="add_file"),
    path("banks/<str:name>/import", import_file, name="import_list"),
    path("banks/<str:name>/imports/<str:import_id>", imported, name="imported"),
    path("banks/<str:name>/signals/<str:signal_id>", signal, name="signal"),
    path("banks/<str:name>/signals/<str:signal_id>/change", change_signal, name="change_signal"),
]
