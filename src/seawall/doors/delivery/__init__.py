"""Delivery: takes what waits in the outbox to the outside, until it arrived or somebody was told that it cannot.

In: rows of the outbox, written in the transaction of what they tell of. Out: mail. It never decides what is sent.
"""

__all__: list[str] = []
