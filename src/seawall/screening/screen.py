"""Content → outcome in one call, for programs that match inside themselves: no server, database or network."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from seawall.screening.flow import Searchable, screen_signals
from seawall.screening.model import Audience, Context, Outcome, Policy, Surface
from seawall.signals.extract import OwnJail, extract, kind_of
from seawall.signals.jail import Boundary
from seawall.signals.model import Part


class NoSurface(ValueError):
    """It was not said which surface the content is for, or the policy does not know it; the message lists those it
    knows.
    """


class PrivateCommunication(ValueError):
    """This surface carries private communication and names no legal basis (`private_basis`), so nothing on it is
    screened: leave such content alone, or have the owner record the basis.
    """


def screen(
    content: str | os.PathLike[str] | bytes | Sequence[Part],
    *,
    index: Searchable,
    policy: Policy,
    now: datetime,
    surface: Surface | str | None = None,
    context: Context | None = None,
    jail: Boundary | None = None,
) -> Outcome:
    """What `policy` makes of this content at the moment `now`. Nothing is stored or sent.

    `content` is a path, the bytes of one file, or the parts of one post, which are judged together. `surface` may be
    left out when the policy has exactly one. Pictures are decoded in `jail`, or in one that this process keeps.

    Raises:
        OSError: the path cannot be read.
        NoSurface: see there.
        PrivateCommunication: see there.
        ValueError: there is not a single part.
    """
    place = _surface(surface, policy)
    if place.audience is Audience.PRIVATE and not place.private_basis.strip():
        raise PrivateCommunication(PrivateCommunication.__doc__)
    parts = _parts(content)
    if not parts:
        raise ValueError("there is nothing to screen: give a path, bytes, or at least one part")
    found = extract(parts, jail or OwnJail())
    return screen_signals(found.signals, place, context, index, policy, now, found.gaps)


def _surface(surface: Surface | str | None, policy: Policy) -> Surface:
    if isinstance(surface, Surface):
        return surface
    known = ", ".join(sorted(policy.surfaces)) or "none"
    if surface is None:
        if len(policy.surfaces) != 1:
            raise NoSurface(f"say which surface this is for; the policy knows: {known}")
        return next(iter(policy.surfaces.values()))
    if surface not in policy.surfaces:
        raise NoSurface(f"the policy does not know the surface {surface!r}; it knows: {known}")
    return policy.surfaces[surface]


def _parts(content: str | os.PathLike[str] | bytes | Sequence[Part]) -> Sequence[Part]:
    if isinstance(content, bytes):
        return (_file("file", content),)
    if isinstance(content, (str, os.PathLike)):
        path = Path(content)
        return (_file(path.name, path.read_bytes()),)
    return content


def _file(name: str, data: bytes) -> Part:
    return Part(name=name, kind=kind_of(data), data=data)
