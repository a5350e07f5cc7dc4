"""Second factors at rest: their secrets are in the database only under a key that lies beside it, in `keys/`.

Whoever gets the database alone (a copy, a stolen query) cannot make anybody's codes from it.
"""

import base64
import binascii
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from seawall.screening.ledger.keys import write_durably

FILE_NAME = "second-factors.key"
KEY_BYTES = 32
NONCE_BYTES = 12

#: What is sealed for one purpose cannot be opened for another; a new form of sealing gets a new number.
PREFIX = "sealed1:"
PURPOSE = b"seawall second factor 1"


class CannotOpen(ValueError):
    """The second factors cannot be read: keys/second-factors.key is missing or another one. Restore it from a backup,
    or give the person a new link (the owner: `seawall setup-link`).
    """


def seal(text: str, keys_dir: Path) -> str:
    """The text under the key, which is made when first needed."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(_key(keys_dir, create=True)).encrypt(nonce, text.encode(), PURPOSE)
    return PREFIX + base64.b64encode(nonce + sealed).decode()


def unseal(sealed: str, keys_dir: Path) -> str:
    """The text again.

    Raises:
        CannotOpen: it was not sealed here, was changed, or the key is gone.
    """
    try:
        data = base64.b64decode(sealed.removeprefix(PREFIX), validate=True)
        cipher = AESGCM(_key(keys_dir, create=False))
        if not sealed.startswith(PREFIX):
            raise CannotOpen(CannotOpen.__doc__)
        return cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], PURPOSE).decode()
    except (binascii.Error, InvalidTag, ValueError, OSError) as error:
        raise CannotOpen(CannotOpen.__doc__) from error


def _key(keys_dir: Path, *, create: bool) -> bytes:
    path = keys_dir / FILE_NAME
    if create:
        with suppress(FileExistsError):
            write_durably(path, secrets.token_bytes(KEY_BYTES))
    return path.read_bytes()
