from datetime import timedelta

from seawall.doors.console.behind import Behind
from seawall.doors.console.templatetags.reading import with_code
from seawall.record.clock import system_clock
from seawall.screening.policies import save_surface
from tests.rooms.doors.console.browsing import Browser, Console
from tests.rooms.doors.scene import surface


def test_it_shows_what_the_doctor_says(sqlite_console: Console, reader: Browser) -> None:
    assert reader.get("/health").status_code == 200
    sqlite_console.app._console.examination.wait(60)
    shown = reader.get("/health/examined").text
    assert "seawall doctor" in shown
    assert "versions" in shown
    assert "connections" in shown


def test_it_says_whether_the_index_has_every_change(sqlite_console: Console, reader: Browser) -> None:
    assert "Every change is in it" in reader.get("/health").text
    save_surface(surface("comments"), by="per_x", now=system_clock())
    assert "A change is on its way" in reader.get("/health").text
    sqlite_console.publish()
    assert "Every change is in it" in reader.get("/health").text


def test_before_anything_was_published_it_says_so(sqlite_console: Console, reader: Browser) -> None:
    sqlite_console.app._holder.present = None
    assert "Nothing was published yet" in reader.get("/health").text


def test_strangers_see_nothing(stranger: Browser) -> None:
    for path in ("/health", "/health/examined"):
        assert stranger.get(path).status_code == 302


def test_work_behind_a_page_is_done_once_and_its_failure_is_told() -> None:
    runs = []
    behind: Behind[int] = Behind()

    def work() -> int:
        runs.append(1)
        if len(runs) > 1:
            raise ValueError("a secret")
        return 7

    behind.start_if_older(timedelta(hours=1), work, system_clock)
    behind.wait(10)
    behind.start_if_older(timedelta(hours=1), work, system_clock)
    behind.wait(10)
    assert len(runs) == 1
    assert behind.done is not None
    assert (behind.done.result, behind.done.error) == (7, "")
    behind.start(work, system_clock)
    behind.wait(10)
    assert (behind.done.result, behind.done.error) == (None, "ValueError")


def test_commands_are_set_as_code_and_nothing_is_let_through() -> None:
    assert with_code("run `seawall doctor` & <b>look</b>") == (
        "run <code>seawall doctor</code> &amp; &lt;b&gt;look&lt;/b&gt;"
    )
    assert with_code("`<script>`") == "<code>&lt;script&gt;</code>"
    assert with_code("one ` left over") == "one ` left over"
    assert with_code("") == ""


def test_what_the_doctor_says_has_no_marks_of_the_command_line(sqlite_console: Console, reader: Browser) -> None:
    reader.get("/health")
    sqlite_console.app._console.examination.wait(60)
    shown = reader.get("/health/examined").text
    assert "Next:" in shown
    assert "`" not in shown
    assert "<code>seawall" in shown
