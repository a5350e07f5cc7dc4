"""The exact fingerprints of any file.

In: the bytes of a file. Out: its SHA-256 and MD5, as lower-case hex. Never: looks inside the file, so nothing here
needs the jail.
"""

import hashlib

__all__ = ["md5", "sha256"]


def sha256(data: bytes) -> str:
    """64 lower-case hex characters (FIPS 180-4)."""
    return hashlib.sha256(data).hexdigest()


def md5(data: bytes) -> str:
    """32 lower-case hex characters (RFC 1321).

    Old lists still carry MD5. It proves nothing against someone who makes two files on purpose that share one MD5.
    """
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
