"""The pages and addresses that need a database: the state of a screening, and the readable description of the API.

In: GET requests, and what `web` hands over with each (keys, the OpenAPI document, how to refuse). Out: JSON, or pages
drawn on the server. Never: screens anything, or changes anything.
"""

from seawall.doors.api.answers import HoldNow, ScreeningNow

__all__ = ["HoldNow", "ScreeningNow"]
