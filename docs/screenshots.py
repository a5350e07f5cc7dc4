"""Lives the first evening on an empty data directory and keeps what it saw: `python -m docs.screenshots`.

Comes in: a real `seawall serve`, Debian's Chromium, and the commands of docs/tutorial/first-evening.md, typed as they
stand there; what they print must be what the page says. Goes out: the pictures in docs/tutorial/images/. With `--check`
nothing is written: the pictures that are kept must look like those just taken, by the same measure that finds copies of
listed ones.

Nothing is shown that a reader would not see: one window of 1280 pixels, light, no real material, and no path or name of
the machine it ran on.
"""

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, sync_playwright

from seawall.signals.image import compute
from tests.docs.shown import runnable
from tests.stories.serving import Server, environment

TUTORIAL = Path(__file__).parent / "tutorial" / "first-evening.md"
PICTURES = TUTORIAL.parent / "images"

CHROMIUM = Path("/usr/bin/chromium")
#: Chromium refuses its sandbox to root.
FLAGS = ["--disable-gpu", "--no-first-run", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
WIDTH, HEIGHT = 1280, 800
WINDOW: Any = {"viewport": {"width": WIDTH, "height": HEIGHT}, "color_scheme": "light", "reduced_motion": "reduce"}
#: A picture is as high as its page, up to this.
HIGHEST = 1_400

#: Pages of text need few colours; this keeps a picture below `MOST_BYTES` without a visible difference.
COLOURS = 128
#: A tutorial is read on a telephone, too.
MOST_BYTES = 150_000

#: What a server of this evening may need to answer a page.
PATIENCE_MS = 15_000

#: Bits in which the hashes of a kept picture and of the page as it is may differ: other times and ids change a few.
LIKE = 31

#: What pictures wait for before they are taken.
ALL_THERE = "[...document.images].every(image => image.complete && image.naturalWidth)"

HELD = "main tbody th a"

NAME, EMAIL, PASSWORD = "Ada", "ada@example.org", "nine green lanterns in a row"

#: As the reader sees it: on port 8080, in no directory of this machine. Every key looks the same, and is none.
LIKE_AT_HOME = r"""([place, port]) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    text.data = text.data.replace(/swk_[\w-]{60,}/g, "swk_…").replaceAll(place + "/", "").replaceAll(port, "8080");
  }
}"""


class NotThere(RuntimeError):
    """A page of the evening is not there, or not as the tutorial says; the message names it and what to do."""


@dataclass(kw_only=True)
class Evening:
    """What is at hand: the owner's window and the one that is looked at, the server, and what was noted on the way."""

    desk: Page
    page: Page
    server: Server
    place: Path
    #: `API_KEY` from the wizard, `SCREENING` from the answer to the second upload: variables of the terminal.
    noted: dict[str, str] = field(default_factory=dict)
    taken: dict[str, bytes] = field(default_factory=dict)

    def go(self, path: str) -> None:
        """Open a page of the console; NotThere unless it answers 200."""
        try:
            answer = self.page.goto(f"{self.server.url}{path}", wait_until="networkidle", timeout=PATIENCE_MS)
        except BrowserError as error:
            raise NotThere(f"{path} cannot be opened: {error.message.splitlines()[0]}") from error
        if answer is None or not answer.ok:
            status = "nothing" if answer is None else answer.status
            raise NotThere(f"{path} answers {status}: this page of the console does not stand yet, or has moved")

    def take(self, name: str) -> None:
        """Keep what the window shows, small."""
        self.page.wait_for_function(ALL_THERE, timeout=PATIENCE_MS)
        self.page.evaluate(LIKE_AT_HOME, [str(self.place), self.server.port])
        height = min(self.page.evaluate("document.body.offsetHeight"), HIGHEST)
        self.page.set_viewport_size({"width": WIDTH, "height": height})
        self.page.evaluate("scrollTo(0, 0)")
        self.taken[name] = small(self.page.screenshot(animations="disabled", caret="hide"))

    def setup_link(self) -> str:
        """The path of the one-time link that the server printed."""
        found = re.search(r"https?://\S+?(/setup\S*)", self.server.log.read_text(encoding="utf-8"))
        if not found:
            raise NotThere("`seawall serve` printed no set-up link on an empty data directory")
        return found[1]


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One picture: how to come to it from the one before. `name` is the file's, without `.png`.

    What `differs` shows facts of the machine, and is not compared.
    """

    name: str
    come: Callable[[Evening], None]
    differs: bool = False


@dataclass(frozen=True, kw_only=True)
class Typing:
    """The page's next commands are typed; they must begin so, or the page and the evening went apart."""

    begins: str
    note: Callable[[Evening, str], None] = lambda _evening, _said: None


def _press(evening: Evening, name: str) -> None:
    evening.page.get_by_role("button", name=name, exact=True).click(timeout=PATIENCE_MS)


def _arrive(evening: Evening, title: str) -> None:
    """The page with this heading, from its top."""
    evening.page.get_by_role("heading", name=title, exact=True).wait_for(timeout=PATIENCE_MS)
    evening.page.wait_for_load_state("networkidle")


def _fill(evening: Evening, **fields: str) -> None:
    for label, text in fields.items():
        evening.page.get_by_label(label, exact=True).fill(text)


def _account(evening: Evening) -> None:
    evening.go(evening.setup_link())
    _fill(evening, **{"Your name": NAME, "Your e-mail address": EMAIL, "A password": PASSWORD})


def _surface(evening: Evening) -> None:
    _press(evening, "Make my account")
    _arrive(evening, "What do you protect?")
    _fill(evening, **{"What do you want to protect?": "The Quiet Harbour"})
    _press(evening, "Next")
    _arrive(evening, "Where do people publish?")


def _mail(evening: Evening) -> None:
    _fill(evening, **{"Name of the place where people publish": "posts"})
    for question, answer in (
        ("Who can see what is published there?", "Everybody"),
        ("What happens to an upload that could not be checked?", "Hold it"),
        ("What happens to a held upload that nobody looked at in time?", "Refuse it"),
    ):
        evening.page.get_by_role("group", name=question).get_by_role("radio", name=answer).check()
    _press(evening, "Save and go on")
    _arrive(evening, "Mail when an upload waits for you")
    evening.page.get_by_label("Mail server", exact=True).fill("smtp.example.org")
    evening.page.get_by_label("Sender address").fill("seawall@example.org")


def _key(evening: Evening) -> None:
    _press(evening, "Later: go on without mail")
    _arrive(evening, "A key for your platform")
    _press(evening, "Make a key")
    evening.noted["API_KEY"] = evening.page.locator("#key").inner_text(timeout=PATIENCE_MS)


def _connect(evening: Evening) -> None:
    _press(evening, "Next")
    _arrive(evening, "Connect your platform")


def _test(evening: Evening) -> None:
    _press(evening, "Next")
    _arrive(evening, "Send a test upload")
    _press(evening, "Send it from here")
    evening.page.get_by_text("Blocked, as it should be").wait_for(timeout=PATIENCE_MS)


def _home(evening: Evening) -> None:
    _press(evening, "Next")
    _arrive(evening, "Your Seawall stands")
    _press(evening, "Finish and go to the home page")
    _arrive(evening, "Home")


def _try(evening: Evening) -> None:
    evening.go("/try")
    _press(evening, "Try the test card")
    _arrive(evening, "blocked It would be refused")


def _holds(evening: Evening) -> None:
    """A hold is on the list a moment after its verdict: a person looks again."""
    until = time.monotonic() + PATIENCE_MS / 1000
    evening.go("/holds")
    while not evening.page.locator(HELD).count():
        if time.monotonic() > until:
            raise NotThere("the upload that the page says is held is not on /holds")
        evening.page.wait_for_timeout(500)
        evening.go("/holds")


def _uploader(evening: Evening) -> None:
    """Somebody else, who has no account, in a window of their own."""
    browser = evening.desk.context.browser
    if browser is None:
        raise NotThere("the window of the evening is closed")
    evening.page = browser.new_context(**WINDOW).new_page()
    evening.go(evening.noted["EXPLAIN"])


def _health(evening: Evening) -> None:
    """The doctor looks beside the page, which then has what it found."""
    evening.page = evening.desk
    until = time.monotonic() + PATIENCE_MS / 1000
    evening.go("/health")
    while evening.page.get_by_text("The doctor is looking").count():
        if time.monotonic() > until:
            raise NotThere("/health still says that the doctor is looking")
        evening.page.wait_for_timeout(500)
        evening.go("/health")


def _hold(evening: Evening) -> None:
    evening.page.locator(HELD).first.click(timeout=PATIENCE_MS)
    _arrive(evening, "A held upload")


def _note_held(evening: Evening, said: str) -> None:
    answer = json.loads(said)
    if answer["verdict"] != "hold":
        raise NotThere(f"the page says that this upload is held; the answer says {answer['verdict']!r}")
    evening.noted["SCREENING"] = str(answer["id"])
    evening.noted["EXPLAIN"] = urlsplit(answer["explain_url"]).path


def _note_allowed(_evening: Evening, said: str) -> None:
    if json.loads(said)["verdict"] != "allow":
        raise NotThere(f"the page says that the first upload is allowed; the answer is {said}")


#: In the order of the evening. tests/stories/test_first_evening.py has a real mail server.
EVENING: tuple[Shot | Typing, ...] = (
    Shot(name="wizard-account", come=_account),
    Shot(name="wizard-surface", come=_surface),
    Shot(name="wizard-mail", come=_mail),
    Shot(name="wizard-key", come=_key),
    Shot(name="wizard-connect", come=_connect),
    Typing(begins="curl", note=_note_allowed),
    Shot(name="wizard-test", come=_test),
    Shot(name="home", come=_home),
    Shot(name="try-it", come=_try),
    Typing(begins="curl", note=_note_held),
    Shot(name="holds", come=_holds),
    Shot(name="hold", come=_hold),
    Typing(begins="curl"),
    Shot(name="uploader", come=_uploader),
    Typing(begins="seawall backup"),
    Typing(begins="seawall doctor"),
    Shot(name="health", come=_health, differs=True),
)


def small(png: bytes) -> bytes:
    """The same picture in few colours and without metadata; ValueError when it is too large for the pages."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    if len(out.getvalue()) > MOST_BYTES:
        raise ValueError(f"a picture has {len(out.getvalue())} bytes; show a smaller part of the page")
    return out.getvalue()


def unlike(kept: Path, taken: bytes) -> bool:
    """Whether the picture that is kept does not show what was just taken. Small words may differ unseen."""
    if not kept.exists():
        return True
    one, other = (_hash(data) for data in (kept.read_bytes(), taken))
    return (one ^ other).bit_count() > LIKE


def _hash(png: bytes) -> int:
    with Image.open(io.BytesIO(png)) as picture:
        return int.from_bytes(compute(np.ascontiguousarray(np.asarray(picture.convert("RGB")))).value)


@contextmanager
def evening(place: Path) -> Iterator[Evening]:
    """A server on an empty directory in `place`, and a window beside it."""
    if not CHROMIUM.exists():
        raise NotThere("Chromium is not installed: apt-get install chromium")
    with Server(place / "seawall-data", env={"SEAWALL_DECODERS": "1"}) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        desk = browser.new_context(**WINDOW).new_page()
        try:
            yield Evening(desk=desk, page=desk, server=server, place=place)
        finally:
            browser.close()


def typed(one: Evening, command: str) -> str:
    """What these lines print in a terminal of the evening; NotThere with everything when they fail."""
    env = environment(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **one.noted)
    lines = command.replace("http://127.0.0.1:8080", one.server.url).replace(
        "scr_…", one.noted.get("SCREENING", "scr_…")
    )
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines], cwd=one.place, env=env, capture_output=True, text=True,  # noqa: S607
        timeout=120, check=False,
    )  # fmt: skip
    if run.returncode != 0:
        raise NotThere(f"this fails:\n{command}\n{run.stdout}{run.stderr}")
    return run.stdout


def compare(command: str, printed: list[str], said: str) -> None:
    """NotThere unless each line that the page shows was printed; `…` stands for what differs every time."""
    for line in printed:
        if not re.search(re.escape(line).replace("…", r"\S+"), said):
            raise NotThere(f"the page says that {command!r} prints {line!r}; it prints\n{said}")


def main(arguments: list[str] | None = None) -> int:
    given = _arguments().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="first-evening-") as place, evening(Path(place)) as one:
        try:
            _live(one)
        except (NotThere, BrowserError) as error:
            done = ", ".join(one.taken) or "none"
            sys.stderr.write(f"the evening ends early: {error}\n  next: mend the page or this script; taken: {done}\n")
            return 1
    if given.check:
        return _compared(one.taken)
    for name, picture in one.taken.items():
        (PICTURES / f"{name}.png").write_bytes(picture)
    return 0


def _compared(taken: dict[str, bytes]) -> int:
    """1, and words, where a picture that is kept shows something else by now."""
    differing = {shot.name for shot in EVENING if isinstance(shot, Shot) and shot.differs}
    old = [name for name in taken if name not in differing and unlike(PICTURES / f"{name}.png", taken[name])]
    if old:
        sys.stderr.write(f"these pictures show another page than there is: {', '.join(old)}\n")
        sys.stderr.write("  next: take them anew with `python -m docs.screenshots`, and look at them\n")
    return int(bool(old))


def _live(one: Evening) -> None:
    shown = runnable(TUTORIAL)
    for step in EVENING:
        if isinstance(step, Shot):
            step.come(one)
            one.take(step.name)
            continue
        command, printed = next(shown, ("", []))
        if not command.startswith(step.begins):
            raise NotThere(f"here the page should show commands that begin with {step.begins!r}, not {command!r}")
        said = typed(one, command)
        compare(command, printed, said)
        step.note(one, said)
    for command, _ in shown:
        raise NotThere(f"nobody types what the page shows: {command!r}; give it a place in EVENING")


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
