"""Text that reads the same becomes the same text.

In: a string as someone typed it. Out: its normalised form, and the SHA-256 of that form. Never: keeps or logs the text,
guesses its language, or finds text that is only similar.
"""

from seawall.signals.text.normal import MAX_TEXT_LENGTH, TextTooLong, fingerprint, normalise

__all__ = ["MAX_TEXT_LENGTH", "TextTooLong", "fingerprint", "normalise"]
