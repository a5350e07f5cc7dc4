"""The test card: a harmless picture, text and address that the built-in bank `test-card` always matches.

An operator uploads one of them to see whether the wiring works. It counts as protection in no figure.
"""

import functools
from datetime import datetime
from importlib import resources

from seawall.signals.file import md5, sha256
from seawall.signals.model import Signal
from seawall.signals.text import fingerprint
from seawall.signals.url import canonical_url

BANK = "test-card"

PICTURE_NAME = "seawall-test-card.png"

#: Long and odd enough that nobody writes it by chance.
TEXT = (
    "SEAWALL-TEST-CARD-7F3A91C2: The keeper of the breakwater counts nine green lanterns and sends the tenth boat home."
)

URL = "https://test-card.seawall.example/breakwater/nine-green-lanterns"

#: The PDQ of the picture, kept here so that a server needs no decoder to know its own card; a test recomputes it.
PDQ = "7e06c96d8969f6956694916bbf6b6096807895f840b5c1fd196d6f14e3c09f03"
PDQ_QUALITY = 100


@functools.cache
def picture() -> bytes:
    """The picture as a PNG file; `draw` made it."""
    return resources.files(__name__).joinpath(PICTURE_NAME).read_bytes()


def signals() -> tuple[Signal, ...]:
    """Everything the built-in bank lists."""
    return (
        Signal(type="pdq", value=PDQ, quality=PDQ_QUALITY),
        Signal(type="sha256", value=sha256(picture())),
        Signal(type="md5", value=md5(picture())),
        Signal(type="text", value=fingerprint(TEXT)),
        Signal(type="url", value=canonical_url(URL)),
    )


def ensure_test_card(now: datetime) -> None:
    """Create the built-in bank, or add what a newer release's card has and it lacks; otherwise change nothing.

    A card that the owner withdrew or whose bank was retired stays so.
    """
    # The tables come in here so that the card itself is usable without a database.
    from seawall.matching.banks import add_signals, create_bank
    from seawall.matching.models import Bank, ListedSignal

    banks = list(Bank.objects.filter(name=BANK))
    if not banks:
        create_bank(
            BANK, by="system", now=now, default_action="block", labels=("test-card",), counts_as_protection=False
        )
    elif all(bank.retired_at for bank in banks):
        return
    listed = set(ListedSignal.objects.filter(bank__name=BANK).values_list("type", "value"))
    missing = [signal for signal in signals() if (signal.type, signal.value) not in listed]
    if missing:
        add_signals(BANK, missing, by="system", now=now, source="Seawall", note="harmless test card")
