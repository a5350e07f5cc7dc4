"""Somebody means harm: hostile names, foreign pages, planted sessions and addresses, in a real browser."""

import http.server
import io
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from PIL import Image

from seawall.matching.testcard import TEXT
from tests.rooms.doors.console.test_every_route import TABLE
from tests.stories.make_hostile_console import EMAIL, HOSTILE, PASSWORD
from tests.stories.serving import Client, Server, environment, free_port, wait_until
from tests.stories.test_docs_page import CHROMIUM, FLAGS

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make setup")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed: apt-get install chromium"),
]

#: Every parameter that any page reads from its address, and one that none does.
PARAMETERS = (
    *("next", "after", "before", "imports", "list", "kind", "from", "against", "period", "passkey", "pressed"),
    *("u", "b", "unknown"),
)

#: What a page must not be led to after sign-in.
ELSEWHERE = (
    "//evil.example/",
    "///evil.example/",
    "https:evil.example",
    "https://evil.example/",
    "https:///evil.example/",
    "\\\\evil.example/",
    "/\\evil.example/",
    "/\t/evil.example/",
    "http:\\\\evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//",
    "data:text/html,<script>alert(1)</script>",
    " //evil.example/",
    "//localhost@evil.example/",
)

HTML_NAME = "<img src=x onerror=alert(3)>.html"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A served console full of hostile texts."""

    server: Server
    made: dict[str, str]
    #: Two uploads that wait, and the link that an uploader got.
    holds: tuple[str, ...]
    explain: str

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.port}"

    def pages(self) -> list[str]:
        """Every address that a browser can open, filled with what is there."""
        known = {
            "hold": self.holds[0],
            "bank": "ours",
            "surface": "posts",
            "key": self.made["key"],
            "rule": "hostile",
            "signal": self.made["signal"],
            "import_id": self.made["import"],
            "person": self.made["person"],
            "pressed": "",
        }
        found = [row.path.format(**known) for row in TABLE.values() if "GET" in row.methods]
        more = ["/holds?list=asked", "/holds?list=decided", "/banks/unseen", "/policy/versions/2", self.explain]
        return [*found, *more, f"/setup/{self.made['link']}"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    data_dir = tmp_path_factory.mktemp("hostile") / "data"
    command = [sys.executable, "-m", "tests.stories.make_hostile_console", str(data_dir)]
    root = Path(__file__).parents[2]
    shown = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=True)
    made = json.loads(shown.stdout)
    with Server(data_dir, env={"SEAWALL_DECODERS": "1"}) as server:
        uploads = [upload(server, made["token"]) for _ in range(3)]
        explain = urlsplit(uploads[0]["explain_url"]).path
        with httpx.Client(base_url=f"http://localhost:{server.port}") as uploader:
            wait_until(lambda: uploader.get(explain).status_code == 200)
            asked = {"text": HOSTILE, "claim": "art", "csrfmiddlewaretoken": token_of(uploader.get(explain).text)}
            assert uploader.post(explain, data=asked, headers={"Origin": str(uploader.base_url)}).status_code == 302
        yield Place(server=server, made=made, holds=tuple(one["id"] for one in uploads), explain=explain)


def upload(server: Server, token: str) -> dict[str, Any]:
    """Held: the test card, for research, its parts named by somebody who means harm."""
    with Client(server, token) as client:
        parts = [{"name": HOSTILE[:100], "kind": "text", "text": TEXT}, {"kind": "image", "file": "photo"}]
        form = {"surface": "posts", "content_id": HOSTILE, "context": {"claim": "research"}, "parts": parts}
        answer = client.post(
            "/v1/screen",
            data={"request": json.dumps(form)},
            files={"photo": (HTML_NAME, polyglot(), "text/html")},
        )
        verdict: dict[str, Any] = answer.json()
        assert verdict.get("verdict") == "hold", answer.text
        return verdict


def polyglot() -> bytes:
    """A JPEG that a careless browser would read as a page."""
    out = io.BytesIO()
    Image.new("RGB", (80, 80), (90, 120, 150)).save(out, "JPEG", comment=b"--><script>alert(4)</script><!--")
    return out.getvalue() + b"<html><script>alert(5)</script></html>"


def token_of(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found, page
    return found[1]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


class Watched:
    """A browser in which everything that must not happen is written down."""

    def __init__(self, chromium: Any, place: Place, **options: Any) -> None:
        self.place = place
        self.context = chromium.new_context(**options)
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.context.add_init_script(
            "document.addEventListener('securitypolicyviolation', event => "
            "console.error('violates ' + event.violatedDirective + ' ' + event.blockedURI))"
        )
        self.page = self.context.new_page()
        self.page.on("dialog", self._dialog)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("console", self._said)
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _said(self, said: Any) -> None:
        # Chromium mentions each page whose status is an error; that is no script's doing.
        if said.type == "error" and "Failed to load resource" not in said.text:
            self.wrong.append(f"console: {said.text}")

    def open(self, path: str) -> Any:
        return self.page.goto(f"{self.place.url}{path}")

    def sign_in(self, query: str = "") -> None:
        self.open(f"/account/login/{query}")
        self.page.get_by_label("E-mail address", exact=True).fill(EMAIL)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def cookie(self, name: str) -> dict[str, Any]:
        return next((dict(one) for one in self.context.cookies() if one["name"] == name), {})

    def planted(self) -> int:
        """Elements that only a text taken for HTML can have made."""
        return int(
            self.page.evaluate("""[...document.querySelectorAll('[onerror], [onload], [src="x"], script')].filter(one =>
            one.localName !== 'script' || !one.src.startsWith(location.origin + '/static/')).length""")
        )

    def close(self) -> None:
        self.context.close()
        assert self.wrong == []


@pytest.fixture
def watched(chromium: Any, place: Place) -> Iterator[Watched]:
    browser = Watched(chromium, place)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def session(chromium: Any, place: Place) -> Any:
    """Signed in once: more than 30 attempts a minute would be refused."""
    browser = Watched(chromium, place)
    browser.sign_in()
    assert urlsplit(browser.page.url).path == "/"
    kept = browser.context.storage_state()
    browser.close()
    return kept


@pytest.fixture
def owner(chromium: Any, place: Place, session: Any) -> Iterator[Watched]:
    browser = Watched(chromium, place, storage_state=session)
    browser.open("/")
    yield browser
    browser.close()


def test_no_text_that_anybody_wrote_becomes_a_part_of_a_page(owner: Watched) -> None:
    shown = 0
    for path in owner.place.pages():
        if path.endswith((".png", "/picture?pressed=")):
            continue
        answer = owner.open(path)
        assert answer.status < 500, path
        assert owner.planted() == 0, path
        assert owner.wrong == [], path
        shown += "onerror=alert(2)" in str(owner.page.evaluate("document.documentElement.textContent"))
    assert shown >= 10, "the hostile texts are really shown"
    here = urlsplit(owner.place.url).netloc
    assert {urlsplit(url).netloc for url in owner.asked} == {here}


def test_what_was_uploaded_is_shown_as_text_and_redrawn(owner: Watched) -> None:
    """After a press: the picture that comes is the server's own, and the word of the press is good for nobody else."""
    owner.open(f"/holds/{owner.place.holds[1]}")
    owner.page.get_by_role("button", name="Show it", exact=True).click()
    owner.page.locator("#part-0 pre").wait_for()
    with owner.page.expect_response(re.compile(r"/picture\?pressed=")) as arriving:
        owner.page.get_by_role("button", name="Show it, grey and blurred").click()
    answer = arriving.value
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b"alert" not in answer.body()
    assert owner.planted() == 0
    stolen = httpx.get(answer.url)
    assert (stolen.status_code, stolen.content) == (302, b"")


def test_no_address_is_repeated_as_html(owner: Watched) -> None:
    hostile = "&".join(f"{name}={quote(HOSTILE)}" for name in PARAMETERS)
    for path in owner.place.pages():
        if path.endswith((".png", "/picture?pressed=")):
            continue
        answer = owner.open(f"{path}{'&' if '?' in path else '?'}{hostile}")
        assert answer.status < 500, path
        assert owner.planted() == 0, path
        assert owner.wrong == [], path
    for path in (f"/{quote(HOSTILE)}", f"/banks/{quote(HOSTILE, safe='')}", f"/x/{quote(HOSTILE, safe='')}"):
        assert owner.open(path).status in {400, 404}
        assert owner.planted() == 0, path


@contextmanager
def foreign_page(body: str) -> Iterator[str]:
    """Another site on this machine; its address. By number, which browsers take for another site than a name."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Page) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{site.server_address[1]}/"
        finally:
            site.shutdown()
            thread.join()


def test_a_script_that_ran_would_be_noticed(watched: Watched) -> None:
    """That the tests above can fail: the same text on a page that does not escape it."""
    with foreign_page(f"<!doctype html><textarea>{HOSTILE}</textarea>") as address:
        watched.page.goto(address)
        watched.page.wait_for_load_state("networkidle")
    assert watched.planted() >= 2
    assert "dialog: 1" in watched.wrong
    watched.wrong.clear()


def foreign_form(address: str, **fields: str) -> str:
    shown = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
    form = f'<form method="post" action="{address}">{shown}</form>'
    return f"<!doctype html>{form}<script>document.forms[0].submit()</script>"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/people", {"name": "Mallory", "role": "moderator"}),
        ("/new-key", {"name": "mallory", "scopes": "screen", "reach": "all", "days": "90"}),
        ("/account/logout/", {}),
    ],
)
@pytest.mark.parametrize("site", ["127.0.0.1", "localhost"])
def test_a_form_of_another_site_changes_nothing(owner: Watched, path: str, fields: dict[str, str], site: str) -> None:
    """Also from the same site: another port of this very machine, to which cookies are sent all the same."""
    token = owner.page.evaluate("JSON.parse(document.body.getAttribute('hx-headers'))['X-CSRFToken']")
    for with_token in ("made-up", token):
        body = foreign_form(f"{owner.place.url}{path}", csrfmiddlewaretoken=with_token, **fields)
        with foreign_page(body) as address, owner.page.expect_response(f"{owner.place.url}{path}") as answering:
            owner.page.goto(address.replace("127.0.0.1", site))
        assert answering.value.status == 403
        owner.page.wait_for_load_state()
    for shown in ("/people", "/keys"):
        owner.open(shown)
        assert urlsplit(owner.page.url).path == shown, "still signed in"
        assert "mallory" not in owner.page.content().lower()


def test_no_page_is_shown_inside_another(owner: Watched) -> None:
    for path in ("/", "/account/login/", owner.place.explain, "/docs"):
        with foreign_page(f'<!doctype html><iframe src="{owner.place.url}{path}"></iframe>') as address:
            owner.page.goto(address.replace("127.0.0.1", "localhost"))
            owner.page.wait_for_load_state("networkidle")
            frame = owner.page.frames[-1]
            assert frame.url.startswith("chrome-error:"), path
    # Chromium says on the console why it refused.
    owner.wrong[:] = [said for said in owner.wrong if "frame" not in said.lower()]


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_sign_in_leads_to_nobody_else(chromium: Any, place: Place, elsewhere: str) -> None:
    """Over plain HTTP what would be followed is seen, and in the browser where it ends."""
    with httpx.Client(base_url=place.url, headers={"Origin": place.url}) as person:
        page = person.get(f"/account/login/?next={quote(elsewhere)}").text
        form = {"login": EMAIL, "password": PASSWORD, "next": elsewhere, "csrfmiddlewaretoken": token_of(page)}
        answer = person.post(f"/account/login/?next={quote(elsewhere)}", data=form)
        assert (answer.status_code, answer.headers["location"]) == (302, "/")
        again = person.get(f"/account/login/?next={quote(elsewhere)}")
        assert again.headers.get("location", "/") == "/"


def test_in_the_browser_too_sign_in_leads_home(watched: Watched) -> None:
    watched.sign_in(f"?next={quote('//evil.example/')}")
    assert watched.page.url == f"{watched.place.url}/"
    watched.context.clear_cookies()
    watched.sign_in(f"?next={quote('/banks?after=x')}")
    assert urlsplit(watched.page.url).path == "/banks"


def test_a_session_before_sign_in_is_none_after_it(watched: Watched) -> None:
    # The one request that begins a session for anybody.
    planted = httpx.get(
        f"{watched.place.url}/account/2fa/webauthn/login/", headers={"Accept": "application/json"}
    ).cookies["seawall"]
    watched.context.add_cookies([{"name": "seawall", "value": planted, "url": watched.place.url}])
    watched.sign_in()
    mine = watched.cookie("seawall")["value"]
    assert mine != planted
    assert is_signed_in(watched.place, mine)
    assert not is_signed_in(watched.place, planted)
    watched.open("/me")
    watched.page.get_by_role("button", name="Sign out", exact=True).click()
    assert not is_signed_in(watched.place, mine), "a cookie that was copied before is worth nothing afterwards"


def is_signed_in(place: Place, session: str) -> bool:
    return httpx.get(f"{place.url}/", headers={"Cookie": f"seawall={session}"}).status_code == 200


def test_cookies_are_for_this_server_alone(owner: Watched) -> None:
    for name in ("seawall", "seawall-csrf"):
        cookie = owner.cookie(name)
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["domain"]) == (True, "Lax", "localhost")
    assert owner.cookie("seawall")["expires"] == -1, "it ends with the browser"
    assert owner.page.evaluate("document.cookie") == ""


def test_under_tls_cookies_are_bound_to_the_host(tmp_path: Path) -> None:
    with Server(tmp_path / "data", env={"SEAWALL_PUBLIC_URL": "https://checks.example", "SEAWALL_DECODERS": "1"}) as at:
        answer = httpx.get(f"{at.url}/account/login/", headers={"Host": "checks.example"})
        said = answer.headers["set-cookie"]
        assert said.startswith("__Host-seawall-csrf=")
        assert "Secure" in said
        assert "HttpOnly" in said
        assert "Domain" not in said


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "", "a b"])
def test_under_a_foreign_name_there_is_nothing(place: Place, host: str) -> None:
    for path in ("/", "/account/login/", place.explain, "/no-such-page"):
        answer = httpx.get(f"{place.url}{path}", headers={"Host": host})
        assert answer.status_code in ({400, 421} if host in {"", "a b"} else {421}), path
        assert "set-cookie" not in answer.headers
        assert "evil" not in answer.text


def test_every_answer_says_what_it_is(owner: Watched) -> None:
    owner.open("/holds")
    links = owner.page.evaluate("[...document.querySelectorAll('script[src], link[href]')].map(e => e.src || e.href)")
    assert len(links) >= 3
    types = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    for link in links:
        answer = httpx.get(link)
        assert answer.status_code == 200, link
        wanted = types[urlsplit(link).path.rpartition(".")[2]]
        assert answer.headers["content-type"].partition(";")[0] == wanted, link
        guarded(answer)
    for path in owner.place.pages():
        answer = httpx.get(
            f"{owner.place.url}{path}", headers={"Cookie": f"seawall={owner.cookie('seawall')['value']}"}
        )
        guarded(answer)
        if answer.status_code == 200 and not path.startswith(("/docs", "/v1/")):
            assert "no-store" in answer.headers["cache-control"], path


def guarded(answer: httpx.Response) -> None:
    assert answer.headers["x-content-type-options"] == "nosniff", answer.url
    assert answer.headers["x-frame-options"] == "DENY", answer.url
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], answer.url
    assert "unsafe" not in answer.headers["content-security-policy"], answer.url


@pytest.mark.parametrize("path", ["/try", "/banks/ours/add-file", "/banks/ours/import"])
def test_a_hostile_file_is_a_file(owner: Watched, path: str) -> None:
    page = b"<html><script>alert(6)</script></html>"
    picture = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(7)'/>"
    for data in (polyglot(), page, picture, b""):
        owner.open(path)
        file = {"name": HTML_NAME, "mimeType": "text/html", "buffer": data}
        owner.page.locator("input[type=file]").first.set_input_files(file)
        with owner.page.expect_navigation() as going:
            owner.page.locator("main form button").first.click()
        assert going.value.status < 500
        assert owner.page.locator("h1").count() == 1
        assert owner.planted() == 0


def test_without_a_script_an_evenings_work_can_be_done(chromium: Any, place: Place) -> None:
    """Sign in, try the test card, decide a hold: plain forms and links."""
    person = Watched(chromium, place, java_script_enabled=False)
    person.sign_in()
    page = person.page
    assert urlsplit(page.url).path == "/"
    page.get_by_role("navigation").get_by_role("link", name="Try it", exact=True).click()
    page.get_by_role("button", name="Try the test card").click()
    assert "It would be" in page.locator("main").inner_text()
    person.open(f"/holds/{place.holds[2]}")
    page.get_by_role("button", name="Show it, grey and blurred").click()
    page.wait_for_load_state()
    assert page.locator("img.preview").evaluate("one => one.naturalWidth") > 0
    page.locator("input[name=choice][value^='release:']").first.check()
    page.get_by_role("button", name="Decide", exact=True).click()
    assert "It is being released" in page.locator("main").inner_text()
    page.get_by_role("button", name="Undo").click()
    assert "It is being released" not in page.locator("main").inner_text()
    person.close()
