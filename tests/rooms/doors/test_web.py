"""Everything on one address: the gate and Django behind it, on a real data directory with the real ledger."""

import asyncio
import hashlib
import itertools
import json
import logging
import re
import threading
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.sessions.backends.db import SessionStore

from seawall.app import furnish
from seawall.doors.api.docs import STYLE_SHEET
from seawall.doors.gate import PROBLEMS
from seawall.doors.web import background
from seawall.doors.web.application import SECURITY_HEADERS, Application, build_application
from seawall.doors.web.background import (
    Background,
    ClockWatch,
    LedgerWatch,
    Repeated,
    keep_house,
    keep_log,
    warnings_of,
)
from seawall.doors.web.logs import JsonLines, TextLines, keep_strangers_out
from seawall.matching.testcard import TEXT
from seawall.members.issue import issue_key
from seawall.record.clock import system_clock
from seawall.record.ids import new_id
from seawall.record.models import Event
from seawall.record.signing import load_or_create_signing_key
from seawall.screening import explain, holds
from seawall.screening.holds import HoldOutcome, HoldPhase
from seawall.screening.ledger import Ledger, LedgerRecorder, StorageFailed
from seawall.screening.ledger.retention import drop_expired
from seawall.screening.policies import save_surface
from seawall.screening.publish import Publisher
from seawall.settings import Settings
from seawall.signals.extract import IMAGE_FUNCTION
from seawall.signals.jail import InProcess
from tests.rooms.doors.scene import problem, surface

OWNER = "per_test"


class Site:
    """A whole server in process, with keys by who holds them."""

    def __init__(self, settings: Settings, ledger: Ledger, app: Application, publisher: Publisher) -> None:
        self.settings = settings
        self.ledger = ledger
        self.app = app
        self.publisher = publisher
        self.tokens: dict[str, str] = {}

    def add_key(self, who: str, *scopes: str, **more: Any) -> None:
        _, self.tokens[who] = issue_key(name=who, scopes=scopes, by=OWNER, now=system_clock(), **more)

    def publish(self) -> None:
        assert self.publisher.publish_if_changed(system_clock())
        self.app._holder.refresh()

    def call(self, method: str, path: str, *, who: str | None = None, **more: Any) -> httpx.Response:
        headers = {**more.pop("headers", {}), **({"authorization": f"Bearer {self.tokens[who]}"} if who else {})}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(ask())

    def screen(self, text: str, **more: Any) -> dict[str, Any]:
        form = {"surface": "posts", "parts": [{"kind": "text", "text": text}], **more}
        response = self.call("POST", "/v1/screen", who="platform", json=form)
        assert response.status_code == 200, response.text
        verdict: dict[str, Any] = response.json()
        return verdict


def site_of(settings: Settings) -> Iterator[Site]:
    furnish(system_clock())
    for name in ("posts", "groups"):
        save_surface(surface(name), by=OWNER, now=system_clock())
    ledger = Ledger(settings)
    with LedgerRecorder(ledger) as recorder, InProcess(functions=(IMAGE_FUNCTION,)) as jail:
        app = build_application(settings, recorder, jail, ledger=ledger)
        site = Site(settings, ledger, app, Publisher(settings.state_dir))
        site.add_key("platform", "screen", "read")
        site.add_key("stranger", "read", surfaces=["groups"])
        site.add_key("poster", "screen")
        site.publish()
        yield site
        app._gate.close()


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    yield from site_of(settings)


@pytest.fixture
def sqlite_site(sqlite_settings: Settings) -> Iterator[Site]:
    yield from site_of(sqlite_settings)


@pytest.fixture
def strangers_kept_out() -> Iterator[None]:
    """The loggers as in a served process; afterwards as they were."""
    loggers = [logging.getLogger(name) for name in ("uvicorn", "python_multipart", "django.security", "django.request")]
    before = [one.level for one in loggers]
    keep_strangers_out()
    yield
    for one, level in zip(loggers, before, strict=True):
        one.setLevel(level)


class TestScreenings:
    def test_a_verdict_can_be_read_again_without_private_values(self, site: Site) -> None:
        verdict = site.screen(TEXT, content_id="c1", uploader="u1")
        assert verdict["verdict"] == "block"
        response = site.call("GET", f"/v1/screenings/{verdict['id']}", who="platform")
        assert response.status_code == 200, response.text
        again = response.json()
        assert again["hold"] is None
        assert again["verdict"]["matches"] == verdict["matches"]
        assert [one["value"] for one in again["verdict"]["signals"]] == [None]
        assert "u1" not in response.text
        assert response.headers["cache-control"] == "no-store"

    def test_a_hold_waits_until_it_is_resolved(self, site: Site) -> None:
        verdict = site.screen(TEXT, context={"claim": "research"})
        assert verdict["verdict"] == "hold"
        path = f"/v1/screenings/{verdict['id']}"
        waiting = {"state": "waiting", "resolved_at": None, "outcome": None}
        assert site.call("GET", path, who="platform").json()["hold"] == waiting
        keep_log(site.ledger, load_or_create_signing_key(site.settings.keys_dir, system_clock()), system_clock)
        assert site.call("GET", path, who="platform").json()["hold"] == waiting
        holds.resolve(site.ledger, verdict["id"], HoldOutcome.RELEASED, by=OWNER, now=system_clock())
        hold = site.call("GET", path, who="platform").json()["hold"]
        assert (hold["state"], hold["outcome"]) == ("released", "released")
        assert datetime.fromisoformat(hold["resolved_at"]).tzinfo == UTC

    def test_an_expired_hold_says_what_the_surface_did(self, site: Site) -> None:
        verdict = site.screen(TEXT, context={"claim": "research"})
        keep_log(site.ledger, load_or_create_signing_key(site.settings.keys_dir, system_clock()), system_clock)
        holds.expire_due(site.ledger, now=datetime.fromisoformat(verdict["hold_expires_at"]) + timedelta(seconds=1))
        hold = site.call("GET", f"/v1/screenings/{verdict['id']}", who="platform").json()["hold"]
        assert (hold["state"], hold["outcome"]) == ("expired", "refused")

    def test_strangers_and_unknown_ids_get_the_same_answer(self, sqlite_site: Site) -> None:
        verdict = sqlite_site.screen(TEXT)
        foreign = sqlite_site.call("GET", f"/v1/screenings/{verdict['id']}", who="stranger")
        problem(foreign, 404, "unknown_screening")
        other_id = verdict["id"][:-4] + ("0000" if verdict["id"][-4:] != "0000" else "1111")
        for path in (other_id, "scr_x", "key_" + verdict["id"][4:], "a" * 5000, "%00", "%ff"):
            unknown = sqlite_site.call("GET", f"/v1/screenings/{path}", who="stranger")
            assert (unknown.status_code, unknown.content) == (404, foreign.content), path

    def test_keys_are_asked_for_as_at_the_gate(self, sqlite_site: Site) -> None:
        verdict = sqlite_site.screen("x")
        path = f"/v1/screenings/{verdict['id']}"
        problem(sqlite_site.call("GET", path), 401, "key_missing")
        problem(sqlite_site.call("GET", path, headers={"authorization": "Bearer x"}), 401, "key_malformed")
        problem(sqlite_site.call("GET", path, who="poster"), 403, "wrong_scope")

    @pytest.mark.usefixtures("strangers_kept_out")
    def test_a_fault_inside_shows_nothing(
        self, sqlite_site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        verdict = sqlite_site.screen("x")

        inside = "the inside"

        def broken(*_: object) -> None:
            raise RuntimeError(inside)

        monkeypatch.setattr(Ledger, "read", broken)
        response = sqlite_site.call("GET", f"/v1/screenings/{verdict['id']}", who="platform")
        said = problem(response, 500, "internal_error")
        assert inside not in response.text
        assert said["error_id"] in caplog.text
        assert "RuntimeError at /v1/screenings/" in caplog.text
        assert inside not in caplog.text
        assert verdict["id"] not in caplog.text


class TestAddresses:
    @pytest.mark.parametrize(
        "path", ["/", "/docs", "/docs/style.css", "/docs/icon.svg", "/livez", "/nothing", "/v1/screen", "/%ff"]
    )
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE"])
    def test_security_headers_stand_on_everything_once(self, sqlite_site: Site, method: str, path: str) -> None:
        response = sqlite_site.call(method, path)
        assert response.status_code < 500
        for name, value in SECURITY_HEADERS:
            assert response.headers.get_list(name.decode()) == [value.decode()]
        assert method != "HEAD" or response.content == b""

    @pytest.mark.usefixtures("strangers_kept_out")
    @pytest.mark.parametrize("host", ["a b", "<script>", "x\x7f", "a:b:c", "x" * 5_000, "[::1", ""])
    def test_a_strange_host_is_answered_and_not_logged(
        self, sqlite_site: Site, caplog: pytest.LogCaptureFixture, host: str
    ) -> None:
        for path in ("/docs", "/nothing", "/livez"):
            assert sqlite_site.call("GET", path, headers={"host": host}).status_code in {200, 404, 421}
        assert caplog.text == ""

    @pytest.mark.parametrize(
        "host", ["evil.example", "localhost.evil.example", "localhost:8080@evil.example", "[::1", ""]
    )
    def test_pages_are_not_shown_under_a_foreign_name(self, sqlite_site: Site, host: str) -> None:
        for method in ("GET", "POST"):
            response = sqlite_site.call(method, "/account/login/", headers={"host": host})
            assert response.status_code == 421
            assert "SEAWALL_PUBLIC_URL" in response.text
            assert "evil" not in response.text

    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:9", "192.0.2.7", "[::1]:8080"])
    def test_pages_are_shown_under_our_names_and_numbers(self, sqlite_site: Site, host: str) -> None:
        assert sqlite_site.call("GET", "/account/login/", headers={"host": host}).status_code == 200

    def test_the_root_leads_to_sign_in(self, sqlite_site: Site) -> None:
        response = sqlite_site.call("GET", "/")
        assert (response.status_code, response.headers["location"]) == (302, "/account/login/?next=/")

    def test_unknown_addresses_and_wrong_methods_behind_the_gate(self, sqlite_site: Site) -> None:
        for method in ("POST", "OPTIONS"):
            problem(sqlite_site.call(method, "/nothing"), 404, "not_found")
        problem(sqlite_site.call("GET", "/v1/nothing"), 404, "not_found")
        page = sqlite_site.call("GET", "/nothing")
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        response = sqlite_site.call("POST", "/docs", content=b"x" * 100_000)
        problem(response, 405, "method_not_allowed")
        assert response.headers["allow"] == "GET, HEAD, OPTIONS"
        assert sqlite_site.call("OPTIONS", "/docs").status_code == 204

    def test_a_body_of_a_get_is_never_read(self, sqlite_site: Site) -> None:
        taken = 0

        async def endless() -> MutableMapping[str, Any]:
            nonlocal taken
            taken += 1
            await asyncio.sleep(0.01)
            return {"type": "http.request", "body": b"x" * 65_536, "more_body": True}

        statuses: list[int] = []

        async def send(message: MutableMapping[str, Any]) -> None:
            statuses.append(message.get("status", 0))

        scope = {"type": "http", "method": "GET", "path": "/docs/style.css", "headers": [], "query_string": b""}
        asyncio.run(asyncio.wait_for(sqlite_site.app(scope, endless, send), 20))
        assert statuses[0] == 200

    def test_its_lifespan_loads_the_state_and_ends_the_threads(self, sqlite_site: Site) -> None:
        sqlite_site.app._holder.present = None
        said: list[str] = []

        async def run() -> None:
            stop = asyncio.Event()
            messages = iter(["lifespan.startup", "lifespan.shutdown"])

            async def receive() -> MutableMapping[str, Any]:
                kind = next(messages)
                if kind == "lifespan.shutdown":
                    await stop.wait()
                return {"type": kind}

            async def send(message: MutableMapping[str, Any]) -> None:
                said.append(message["type"])
                stop.set()

            await sqlite_site.app({"type": "lifespan"}, receive, send)

        asyncio.run(run())
        assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert sqlite_site.app._holder.present is not None


class Page(HTMLParser):
    """The parts of a page that a reader or a screen reader depends on."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.ids = [attributes["id"] for _, attributes in self.tags if "id" in attributes]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class TestDocs:
    @pytest.fixture
    def page(self, sqlite_site: Site) -> Page:
        response = sqlite_site.call("GET", "/docs")
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        return Page(response.text)

    def test_it_needs_no_script_and_nothing_from_elsewhere(self, page: Page) -> None:
        assert not page.all("script")
        assert not page.all("style")
        assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
        assert "style" not in {name for _, attributes in page.tags for name in attributes}
        assert [one["href"] for one in page.all("link")] == ["/docs/style.css", "/docs/icon.svg"]

    def test_every_link_within_leads_somewhere_and_ids_differ(self, page: Page) -> None:
        assert len(page.ids) == len(set(page.ids))
        within = {str(one["href"])[1:] for one in page.all("a") if str(one["href"]).startswith("#")}
        assert within <= set(page.ids)
        labels = {one["aria-labelledby"] for _, one in page.tags if "aria-labelledby" in one}
        assert labels <= set(page.ids)

    def test_it_has_landmarks_one_heading_and_no_jumps(self, page: Page) -> None:
        assert [len(page.all(tag)) for tag in ("header", "nav", "main", "h1")] == [1, 1, 1, 1]
        assert page.all("html")[0]["lang"] == "en"
        levels = [int(tag[1]) for tag, _ in page.tags if tag in {"h1", "h2", "h3", "h4"}]
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
        assert page.all("a")[0]["href"] == "#content"
        assert all(one.get("tabindex") == "0" and one.get("aria-label") for one in page.all("pre"))

    def test_it_shows_every_address_form_and_problem(self, sqlite_site: Site, page: Page) -> None:
        description = sqlite_site.call("GET", "/openapi.json").json()
        operations = {one["operationId"] for path in description["paths"].values() for one in path.values()}
        assert operations <= set(page.ids)
        assert set(PROBLEMS) <= set(page.ids)
        assert {f"form-{name}" for name in description["components"]["schemas"]} <= set(page.ids)
        assert "/v1/screenings/{id}" in description["paths"]

    def test_it_is_drawn_once_however_often_strangers_ask(
        self, sqlite_site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = sqlite_site.call("GET", "/docs")
        monkeypatch.setattr("seawall.doors.api.docs.render_to_string", None)
        assert sqlite_site.call("GET", "/docs").content == first.content

    def test_code_is_marked_up_and_the_design_is_not_referred_to(self, sqlite_site: Site) -> None:
        text = sqlite_site.call("GET", "/docs").text
        assert "`" not in text
        assert "DESIGN" not in text

    def test_a_language_we_do_not_have_is_not_claimed(self, sqlite_site: Site) -> None:
        response = sqlite_site.call("GET", "/docs", headers={"accept-language": "fr"})
        assert response.headers["content-language"] == "en"
        assert '<html lang="en">' in response.text

    @pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
    @pytest.mark.parametrize("ink", ["ink", "quiet", "link", "focus"])
    @pytest.mark.parametrize("ground", ["ground", "raised"])
    def test_its_colours_can_be_told_apart(self, scheme: int, ink: str, ground: str) -> None:
        tokens = [re.findall(rf"--{name}: #(\w{{6}});", STYLE_SHEET.read_text())[scheme] for name in (ink, ground)]
        lighter, darker = sorted((luminance(one) for one in tokens), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5

    def test_its_style_sheet_knows_light_and_dark_and_loads_nothing(self, sqlite_site: Site) -> None:
        response = sqlite_site.call("GET", "/docs/style.css")
        assert response.headers["content-type"] == "text/css; charset=utf-8"
        assert "prefers-color-scheme: dark" in response.text
        assert "url(" not in response.text
        assert "@import" not in response.text


class TestForgetting:
    def test_nothing_of_an_upload_outlives_its_day(self, sqlite_site: Site, caplog: pytest.LogCaptureFixture) -> None:
        """From the request to the last file: it is in no log line, and after the drop nowhere on the disk."""
        said = {
            "uploader": "zanzibar-uploader-4711",
            "content_id": "zanzibar-content-4712",
            "parts": [
                {"kind": "text", "text": TEXT},
                {"kind": "text", "text": "zanzibar quagga sentence 4713"},
                {"kind": "url", "url": "https://zanzibar-4714.example/quagga"},
            ],
        }
        headers = {"idempotency-key": "zanzibar-key-4715"}
        site, ledger, settings = sqlite_site, sqlite_site.ledger, sqlite_site.settings
        with caplog.at_level(logging.DEBUG):
            for context in ({"claim": "research", "text": "zanzibar claim 4716"}, None):
                form = {"surface": "posts", **said, **({"context": context} if context else {})}
                for more in ({}, {"headers": headers}):
                    answer = site.call("POST", "/v1/screen", who="platform", json=form, **more)
                    assert answer.status_code in {200, 409}, answer.text
            broken = {"surface": "zanzibar surface", **said, "parts": [{"kind": "image", "text": "zanzibar 4717"}]}
            assert site.call("POST", "/v1/screen", who="platform", json=broken).status_code == 422
            signing_key = load_or_create_signing_key(settings.keys_dir, system_clock())
            keep_log(ledger, signing_key, system_clock)
            assert len(ledger.held.ids()) == 2
            for one in holds.waiting():
                holds.resolve(
                    ledger, one.screening_id, HoldOutcome.REFUSED, by=OWNER, reason=REASON, now=system_clock()
                )
            assert _places(settings, REASON.encode())
            later = system_clock() + timedelta(days=400)
            assert drop_expired(ledger, now=later)
            keep_house(ledger, lambda: later)
        needles = [b"zanzibar", b"quagga", REASON.encode(), *map(_digest, said["parts"])]
        assert [one for one in needles if _places(settings, one)] == []
        assert not [line.message for line in caplog.records if "zanzibar" in line.getMessage().lower()]


REASON = "Zanzibar Quagga rang: it is her own sentence."


def _places(settings: Settings, needle: bytes) -> list[Path]:
    return [path for path in settings.data_dir.rglob("*") if path.is_file() and needle in path.read_bytes()]


def _digest(part: object) -> bytes:
    text = dict(part).get("text") or dict(part)["url"]  # type: ignore[call-overload]
    return hashlib.sha256(text.encode()).digest()


class TestBackground:
    def test_a_failing_job_is_said_once_and_tried_again(self, caplog: pytest.LogCaptureFixture) -> None:
        outcomes = iter([True, True, False, False])

        def job() -> None:
            if next(outcomes):
                raise RuntimeError("no")

        with caplog.at_level(logging.INFO):
            repeated = Repeated("trying", job, every=1)
            warned = []
            for _ in range(4):
                repeated._pass()
                warned.append(bool(warnings_of([repeated])))
        assert warned == [True, True, False, False]
        assert [record.message for record in caplog.records] == [
            "trying failed and will be tried again",
            "trying works again",
        ]

    def test_a_ledger_that_works_again_is_ready_without_a_commit(self, sqlite_settings: Settings) -> None:
        ledger = Ledger(sqlite_settings)
        with LedgerRecorder(ledger) as recorder:
            watch = LedgerWatch(ledger, recorder)
            watch.look()
            assert watch.problem() == ""
            recorder._problem = "no space left"
            away = sqlite_settings.ledger_dir.rename(sqlite_settings.data_dir / "away")
            sqlite_settings.ledger_dir.write_text("in the way")
            watch.look()
            assert "cannot be written" in watch.problem()
            assert str(sqlite_settings.data_dir) not in watch.problem(), "anybody may ask"
            sqlite_settings.ledger_dir.unlink()
            away.rename(sqlite_settings.ledger_dir)
            watch.look()
            assert watch.problem() == ""
            recorder._problem = "no space left"
            away = sqlite_settings.holds_dir.rename(sqlite_settings.data_dir / "away")
            sqlite_settings.holds_dir.write_text("in the way")
            watch.look()
            assert "cannot be written" in watch.problem()
            sqlite_settings.holds_dir.unlink()
            away.rename(sqlite_settings.holds_dir)
            watch.look()
            assert watch.problem() == ""
        assert "stopped" in watch.problem()
        watch.look()
        assert "stopped" in watch.problem()

    def test_one_damaged_day_keeps_no_event_out_of_the_log(self, sqlite_settings: Settings) -> None:
        furnish(system_clock())
        (sqlite_settings.ledger_dir / "2026-11-22.sqlite3").write_bytes(b"damaged" * 100)
        signing_key = load_or_create_signing_key(sqlite_settings.keys_dir, system_clock())
        with pytest.raises(StorageFailed):
            keep_log(Ledger(sqlite_settings), signing_key, system_clock)
        assert not Event.objects.filter(leaf_index=None).exists()

    def test_housekeeping_does_what_it_can_and_then_says_what_failed(self, sqlite_site: Site) -> None:
        verdict = sqlite_site.screen(TEXT, context={"claim": "research"})
        ledger, settings = sqlite_site.ledger, sqlite_site.settings
        keep_log(ledger, load_or_create_signing_key(settings.keys_dir, system_clock()), system_clock)
        (settings.ledger_dir / "2020-01-01.sqlite3").write_bytes(b"damaged" * 100)
        orphan = new_id("scr", system_clock)
        ledger.held.keep(orphan, ())
        with pytest.raises(StorageFailed):
            keep_house(ledger, lambda: system_clock() + timedelta(hours=25))
        # What was refused, here by its expiry, is kept until the appeal window ends.
        assert ledger.held.ids() == [verdict["id"]]
        found = holds.state(verdict["id"])
        assert found is not None
        assert found.state is HoldPhase.EXPIRED
        assert settings.database_path.with_name("seawall.sqlite3-wal").stat().st_size == 0

    def test_what_waits_for_the_outside_is_interrupted_and_no_stop_waits_for_another(self) -> None:
        begun, interrupted, told = threading.Event(), threading.Event(), threading.Event()

        def wait_for_the_outside() -> None:
            begun.set()
            interrupted.wait(120)

        def wait_for_the_other() -> None:
            told.wait(120)

        outside = Repeated("out", wait_for_the_outside, every=60, at_once=True, interrupt=interrupted.set)
        # It stands first and ends only because the last one was told to stop before it was waited for.
        first = Repeated("first", wait_for_the_other, every=60, at_once=True)
        last = Repeated("last", int, every=60, interrupt=told.set)
        with Background([first, outside, last]):
            assert begun.wait(30)
        assert interrupted.is_set()
        assert told.is_set()

    def test_what_cannot_be_interrupted_outside_is_left_behind(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(background, "LAST_PASS_SECONDS", 0.1)
        begun, over = threading.Event(), threading.Event()

        def hang() -> None:
            begun.set()
            over.wait(120)

        with Background([Repeated("hanging", hang, every=60, at_once=True, interrupt=int)]):
            assert begun.wait(30)
        assert not over.is_set()
        over.set()

    def test_a_clock_that_leaps_ahead_is_not_believed_for_an_hour(self, caplog: pytest.LogCaptureFixture) -> None:
        wall, passed = [system_clock()], [0.0]
        watch = ClockWatch(lambda: wall[0], stopwatch=lambda: passed[0])

        def after(minutes: float, *, leap: timedelta = timedelta()) -> bool:
            wall[0] += timedelta(minutes=minutes) + leap
            passed[0] += minutes * 60
            return watch.is_steady()

        assert after(1)
        assert after(60 * 24 * 30), "a server that runs for a month leaps nowhere"
        assert after(1, leap=timedelta(hours=20))
        years = timedelta(days=3_650)
        assert not after(1, leap=years)
        assert not after(30)
        assert after(1, leap=-years), "it was set right"
        assert len(caplog.records) == 1
        assert "3650.0 days" in caplog.text
        # A clock that was wrong from the start, and is now right.
        assert after(1, leap=-years)
        assert not after(1, leap=years)
        assert not after(58)
        assert after(2)
        assert after(1)
        assert len(caplog.records) == 2

    def test_housekeeping_renews_the_keys_of_links(self, sqlite_site: Site) -> None:
        verdict = sqlite_site.screen(TEXT, context={"claim": "research"})
        ledger, settings = sqlite_site.ledger, sqlite_site.settings
        keep_log(ledger, load_or_create_signing_key(settings.keys_dir, system_clock()), system_clock)
        token = verdict["explain_url"].rpartition("/")[2]

        def opens(after_days: int) -> str | None:
            keep_house(ledger, lambda: system_clock() + timedelta(days=after_days))
            keys = explain.load(settings.keys_dir)
            return None if keys is None else explain.open_link(token, keys)

        for days in (0, 31, 62, 200):
            assert opens(days) == verdict["id"]
        assert len(list((settings.keys_dir / explain.DIRECTORY).iterdir())) == 4
        # Its expiry refused it after 200 days; then nobody appealed for half a year.
        assert opens(400) is None
        assert ledger.read(verdict["id"]) is None

    def test_housekeeping_sweeps_sessions_that_are_over(self, sqlite_site: Site) -> None:
        session = SessionStore()
        session.create()
        keep_house(sqlite_site.ledger, system_clock)
        assert session.exists(str(session.session_key))
        keep_house(sqlite_site.ledger, lambda: system_clock() + timedelta(hours=13))
        assert not session.exists(str(session.session_key))

    def test_a_job_may_begin_at_once(self) -> None:
        ran = threading.Event()
        repeated = Repeated("trying", ran.set, every=60, at_once=True)
        repeated.start()
        assert ran.wait(30)
        repeated.stop()


def test_log_lines_are_one_line_each() -> None:
    record = logging.LogRecord("seawall.x", logging.INFO, "f", 1, "two\n%s", ("lines",), None)
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == "two\nlines"
    with pytest.raises(ValueError, match="invalid literal") as raised:
        int("x")
    failed = logging.LogRecord("seawall.x", logging.ERROR, "f", 1, "m", (), raised._excinfo)
    assert "ValueError" in json.loads(JsonLines().format(failed))["trace"]
    assert "INFO" in TextLines().format(record)
