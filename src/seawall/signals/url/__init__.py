"""Addresses that lead to the same page become the same address.

In: a web address as someone posted or listed it. Out: its canonical form. Never: opens a connection, follows a short
link, or asks a name server.
"""

from seawall.signals.url.canonical import MAX_URL_LENGTH, TRACKING_PARAMETERS, canonical_url

__all__ = ["MAX_URL_LENGTH", "TRACKING_PARAMETERS", "canonical_url"]
