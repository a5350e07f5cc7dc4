"""What the words and numbers of a bank must look like, and how their refusal is told. Knows no Django."""

import re
from collections.abc import Iterable
from datetime import datetime

from seawall.matching.model import LARGEST_DISTANCE, BankKind

#: The name of a bank or a label: it appears in addresses, files and logs. The same form as a policy's names.
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

#: What a bank may do by itself. `screening` has the type; this room only keeps the word.
ACTIONS = ("allow", "hold", "block")

#: Material that nobody may look at or keep: banks with these labels are no-look (DESIGN §6).
NO_LOOK_LABELS = frozenset({"csam", "ncii"})

#: PDQ of lower quality makes false matches; it needs an explicit yes (DESIGN §5).
LOWEST_QUALITY = 50

#: As wide as the columns they are kept in.
LONGEST_SOURCE = 200
#: A note is a remark for colleagues; a report belongs elsewhere.
LONGEST_NOTE = 2_000
#: More labels than this on one thing are a mistake of a program.
MOST_LABELS = 32

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class BankError(ValueError):
    """Nothing was changed. `code` is stable, `text` says what is wrong and `next_step` what to do about it."""

    def __init__(self, code: str, text: str, next_step: str) -> None:
        super().__init__(f"{text}; {next_step}")
        self.code = code
        self.text = text
        self.next_step = next_step


def shown(text: str) -> str:
    """Somebody else's text, cut and quoted so that it can stand in a message or a terminal."""
    return ascii(text if len(text) <= 40 else f"{text[:40]}…").replace("\\u2026", "…")


def checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise BankError(
            "bad_name",
            f"{shown(name)} cannot name a bank",
            "use 1 to 63 lower-case letters, digits, dots, hyphens and underscores, beginning with a letter or digit",
        )
    return name


def checked_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels, sorted, each once."""
    found = tuple(sorted(set(labels)))
    for label in found:
        if not NAME.fullmatch(label):
            raise BankError(
                "bad_label",
                f"{shown(label)} cannot be a label",
                "use 1 to 63 lower-case letters, digits, dots, hyphens and underscores",
            )
    if len(found) > MOST_LABELS:
        raise BankError("bad_label", f"{len(found)} labels are too many", f"give at most {MOST_LABELS}")
    return found


def checked_words(what: str, text: str, longest: int) -> str:
    """One line of free text."""
    text = text.strip()
    if len(text) > longest:
        raise BankError("too_long", f"the {what} has {len(text)} characters", f"shorten it to at most {longest}")
    if _CONTROL.search(text):
        raise BankError("bad_text", f"the {what} holds control characters", "write it as one line of plain text")
    return text


def checked_percent(what: str, value: int | None) -> int | None:
    if value is not None and not 0 <= value <= 100:
        raise BankError("bad_number", f"{what} {value} is out of range", "use a whole number from 0 to 100")
    return value


def checked_action(action: str) -> str:
    if action not in ACTIONS:
        raise BankError("bad_action", f"{shown(action)} is no action", f"use one of {', '.join(ACTIONS)}")
    return action


def checked_distance(distance: int) -> int:
    if not 0 <= distance <= LARGEST_DISTANCE:
        raise BankError(
            "bad_distance",
            f"a maximum distance of {distance} bits is out of range",
            f"use 0 to {LARGEST_DISTANCE}; 31 is customary for PDQ",
        )
    return distance


def checked_confirmations(count: int) -> int:
    # Zero would let a list block that nobody confirmed, without the owner's trust being on record.
    if not 1 <= count <= 1_000:
        raise BankError(
            "bad_number", f"{count} confirmations make no sense", "use 1 or more, or record that you trust the bank"
        )
    return count


def checked_kind(kind: BankKind, labels: Iterable[str], reporting_duty: str) -> BankKind:
    """The kind of a bank with these labels. CSAM and NCII make it no-look, which needs the reporting duty named."""
    marked = sorted(NO_LOOK_LABELS.intersection(labels))
    if marked and kind is BankKind.KNOWN_SAFE:
        raise BankError(
            "no_look_label", f"a known-safe bank cannot carry the label {marked[0]}", "create a no-look bank for it"
        )
    if marked:
        kind = BankKind.NO_LOOK
    if kind is BankKind.NO_LOOK and not reporting_duty:
        raise BankError(
            "reporting_duty_missing",
            "a no-look bank (CSAM, NCII) stays off until its owner names the duty to report what it finds",
            "give the reporting duty: the law or agreement, and whom you report to",
        )
    return kind


def checked_signal_labels(kind: BankKind, labels: Iterable[str]) -> None:
    """Refuse to put CSAM or NCII signals where matches are shown to people."""
    marked = sorted(NO_LOOK_LABELS.intersection(labels))
    if marked and kind is not BankKind.NO_LOOK:
        raise BankError(
            "no_look_label",
            f"signals labelled {marked[0]} do not belong in a {kind} bank",
            "create a no-look bank and add them there",
        )


def checked_moment(what: str, moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise BankError("bad_time", f"{what} has no time zone", "write it in UTC, like 2026-11-23T20:28:00Z")
    return moment


def low_quality(type: str, quality: int | None) -> bool:  # noqa: A002 - the format's own word
    return type == "pdq" and quality is not None and quality < LOWEST_QUALITY
