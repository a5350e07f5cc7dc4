"""The console: the pages people work with. Server-rendered, by keyboard, on a telephone, without a third party.

In: requests of signed-in people, and of anyone who holds a signed link. Out: pages. It decides nothing itself: it shows
what the rooms know and calls their functions in the name of the person.
"""

__all__: list[str] = []
