"""Delivery: takes what waits in the outbox to the outside, until it arrived or somebody was told that it cannot.

In: rows of the outbox, written in the transaction of what they tell of; which mail server takes our mail (`server`).
Out: mail (`mail`), and what became of it. Never: content, signals, banks or people's names in a mail; a decision what
is told of; mail to anyone before the owner named a server; anything unencrypted that the owner did not allow.

Everything here needs Django and is imported from its own file.
"""

__all__: list[str] = []
