"""Files, texts, addresses and hashes named on the command line, as parts that can be fingerprinted or screened."""

import os
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from gettext import gettext as _
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import click

from seawall.settings import Settings
from seawall.signals.extract import canonical_signal, extract, kind_of, open_jail
from seawall.signals.jail import MAX_PAYLOAD, Jail
from seawall.signals.model import BadSignal, Extraction, Kind, Part

#: Below this number of files a progress bar is only noise.
MANY = 5

Function = TypeVar("Function", bound=Callable[..., Any])
Given = TypeVar("Given")
Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One thing named on the command line: how it is shown, and how to get its part."""

    label: str
    kind: Kind | None
    path: Path | None = None
    part: Part | None = None

    @property
    def shown(self) -> str:
        """The label on one line: a file's name is the uploader's choice and must not look like a line of ours."""
        return self.label.replace("\n", "\\n").replace("\t", "\\t")


class Unusable(ValueError):
    """This file cannot be looked at; the message says why and what to do. Other files are not affected."""


def content_arguments(function: Function) -> Function:
    """FILE…, --kind, --text, --url and --signal: the ways to name content."""
    for decorate in (
        click.option(
            "--signal",
            "signals",
            multiple=True,
            metavar="TYPE=VALUE",
            help=_(
                "A signal instead of content, such as sha256=9f86… (repeatable). Types: pdq, sha256, md5, text, url."
            ),
        ),
        click.option("--url", "urls", multiple=True, help=_("A web address; it is not fetched (repeatable).")),
        click.option("--text", "texts", multiple=True, help=_("A text (repeatable).")),
        click.option(
            "--kind",
            type=click.Choice([kind.value for kind in Kind]),
            help=_("How to read the FILEs; without it the content decides between image and file."),
        ),
        click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path)),
    ):
        function = decorate(function)
    return function


def items(
    *, files: Sequence[Path], kind: str | None, texts: Sequence[str], urls: Sequence[str], signals: Sequence[str]
) -> list[Item]:
    """What was named, in the order files, texts, addresses, signals.

    Raises:
        click.UsageError: nothing was named.
        BadSignal: a signal has not its type's form.
    """
    named = [
        *(Item(label=click.format_filename(path), kind=Kind(kind) if kind else None, path=path) for path in files),
        *(Item(label=_short(text), kind=Kind.TEXT, part=_part(Kind.TEXT, text=text)) for text in texts),
        *(Item(label=url, kind=Kind.URL, part=_part(Kind.URL, url=url)) for url in urls),
        *(_signal_item(given) for given in signals),
    ]
    if not named:
        raise click.UsageError(_("name at least one FILE, --text, --url or --signal"))
    return named


def _part(kind: Kind, **content: Any) -> Part:
    return Part(name=f"{kind}-1", kind=kind, **content)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _signal_item(given: str) -> Item:
    name, equals, value = given.partition("=")
    if not equals:
        raise BadSignal(_("{given}: write a signal as TYPE=VALUE, such as pdq=f8f8…").format(given=given[:60]))
    signal = canonical_signal(name, value)
    kind = {"pdq": Kind.IMAGE, "text": Kind.TEXT, "url": Kind.URL}.get(name, Kind.FILE)
    return Item(label=f"{name} {value[:20]}", kind=kind, part=_part(kind, signals=(signal,)))


def part_of(item: Item) -> Part:
    """The part, read from its file where it is one.

    Raises:
        Unusable: the file is missing, empty, too large, or no plain file.
    """
    if item.part is not None:
        return item.part
    data = _read(item.path or Path())
    kind = item.kind or kind_of(data)
    if kind is not Kind.URL:
        return _part(kind, data=data)
    try:
        return _part(kind, url=data.decode("utf-8").strip())
    except UnicodeDecodeError as error:
        raise Unusable(_("holds no web address in UTF-8: put one address into the file, or use --url")) from error


def _read(path: Path) -> bytes:
    try:
        # Without O_NONBLOCK a pipe that nobody writes to would keep us waiting for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise Unusable(_("is a directory or a device: name the files themselves"))
            with os.fdopen(descriptor, "rb", closefd=False) as source:
                data = source.read(MAX_PAYLOAD + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unusable(_("{reason}: check the path and its permissions").format(reason=error.strerror)) from error
    if not data:
        raise Unusable(_("is empty: there is nothing to look at"))
    if len(data) > MAX_PAYLOAD:
        raise Unusable(_("has more than {most} bytes: screen it in smaller pieces").format(most=MAX_PAYLOAD))
    return data


class LazyJail:
    """A jail whose workers start when the first picture comes: hashing a text must not wait for them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._jail: Jail | None = None

    @property
    def workers(self) -> int:
        return self._settings.decoders or os.cpu_count() or 1

    def call(self, function: str, payload: bytes, *, deadline: float | None = None) -> bytes:
        with self._lock:
            if self._jail is None:
                self._jail = open_jail(
                    workers=self.workers,
                    deadline=self._settings.decoder_deadline,
                    memory=self._settings.decoder_memory_bytes,
                )
        return self._jail.call(function, payload, deadline=deadline)

    def close(self) -> None:
        if self._jail is not None:
            self._jail.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """An item after it was opened: its part and signals, or `problem` in words."""

    item: Item
    part: Part | None = None
    extraction: Extraction
    problem: str = ""


def look_at(named: Sequence[Item], settings: Settings) -> Iterator[Looked]:
    """Open and fingerprint each item, several at once, answers in order, with a progress bar for many files."""
    with LazyJail(settings) as jail:

        def look(item: Item) -> Looked:
            try:
                part = part_of(item)
            except Unusable as error:
                return Looked(item=item, extraction=Extraction(signals=()), problem=str(error))
            return Looked(item=item, part=part, extraction=extract([part], jail))

        with progress(len(named), _("looking at files")) as advance:
            for looked in in_order(look, named, workers=jail.workers):
                advance(1)
                yield looked


def in_order(work: Callable[[Given], Answer], given: Iterable[Given], *, workers: int) -> Iterator[Answer]:
    """`map` over threads that never reads far ahead: a million files must not wait in memory."""
    waiting: deque[Future[Answer]] = deque()
    with ThreadPoolExecutor(workers) as threads:
        for one in given:
            waiting.append(threads.submit(work, one))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def progress(total: int, label: str, *, least: int = MANY) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, if that is a terminal and there is enough to wait for."""
    if total < least or not sys.stderr.isatty():
        yield lambda _steps: None
        return
    with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
        yield bar.update
