"""Doors: the only rooms that speak with the outside.

In: requests of programs and people. Out: answers. Never: a decision; every door calls the rooms below it and says what
they said. Doors do not know each other (`web` alone mounts `gate` and `api`, and the command line starts `web`).
"""
