"""Mounts the doors on one address and runs the whole process.

In: settings. Out: a server that screens, publishes changes within a second, keeps the log and drops what is too old,
until a signal ends it. Never: a decision, or a second one of itself on the same data directory.
"""

from seawall.doors.web.application import Application, build_application
from seawall.doors.web.process import serve

__all__ = ["Application", "build_application", "serve"]
