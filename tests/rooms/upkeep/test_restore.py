"""Restoring what is damaged, foreign, hostile or interrupted: nothing is put into place, and the next step is said."""

import io
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.db import connections
from hypothesis import HealthCheck, given
from hypothesis import settings as configured
from hypothesis import strategies as st

from seawall.settings import Settings
from seawall.upkeep.backup import restore as restoring
from seawall.upkeep.backup.archive import ArchiveWriter
from seawall.upkeep.backup.make import MANIFEST, MEMBERS, POSTGRESQL, SQLITE, back_up
from seawall.upkeep.backup.restore import PLACED, UNPACKED, check, restore, with_database_url
from seawall.upkeep.model import Manifest, MemberRecord, UpkeepRefused
from tests.rooms.screening.recordings import NOW
from tests.rooms.upkeep.scene import Lived, require_private, require_same


@pytest.fixture(scope="session")
def backup(lived_template: Lived, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backup") / "backup.tar"
    return back_up(lived_template.settings, path, now=NOW).path


def members_of(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        files = {one.name: tar.extractfile(one) for one in tar}
        return {name: file.read() for name, file in files.items() if file is not None}


def packed(members: Iterable[tuple[str, bytes]], place: Path, *, listed: bool = True) -> Path:
    """An archive of these, with a list that fits them."""
    out = io.BytesIO()
    archive = ArchiveWriter(out, made_at=1)
    for name, data in members:
        archive.add_bytes(name, data)
    if listed:
        archive.add_bytes(MEMBERS, msgspec.json.encode(archive.members))
    archive.finish()
    place.write_bytes(out.getvalue())
    return place


def manifest(**changed: Any) -> bytes:
    said = {
        "format": 1,
        "seawall_version": "0.2.0",
        "data_version": "0.1.0",
        "created_at": "2026-11-23T12:00:00.000Z",
        "database": "sqlite",
        "log_origin": "",
        "migrations": {},
    }
    return msgspec.json.encode(said | changed)


def refused(path: Path, place: Path) -> UpkeepRefused:
    """Why both refuse it; and nothing is there afterwards."""
    with pytest.raises(UpkeepRefused) as checked:
        check(path)
    with pytest.raises(UpkeepRefused) as caught:
        restore(Settings(data_dir=place), path)
    assert not place.exists()
    assert caught.value.text == checked.value.text
    assert caught.value.next_step
    return caught.value


def test_check_changes_nothing(backup: Path, tmp_path: Path) -> None:
    before = backup.read_bytes()
    found = check(backup)
    assert found.members == len(members_of(backup)) - 1
    assert found.manifest.database == "sqlite"
    assert backup.read_bytes() == before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("data", [b"", b"x", b"hello world" * 1_000, bytes(10_240), b"PK\x03\x04" + bytes(2_000)])
def test_files_that_are_no_backup(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    said = refused(tmp_path / "file", tmp_path / "data")
    assert "damaged" in said.text or "is not a backup" in said.text


def test_a_tar_that_is_no_backup(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "other.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(__file__, "notes.txt")
    assert "is not a backup of Seawall" in refused(tmp_path / "other.tar", tmp_path / "data").text
    packed([("notes.txt", b"x"), (MANIFEST, manifest())], tmp_path / "ours.tar")
    assert "is not a backup of Seawall" in refused(tmp_path / "ours.tar", tmp_path / "data").text


@pytest.mark.parametrize(
    "changed", [{"format": 2}, {"format": 99, "database": "cloud"}, {"data_version": "99.0"}, {"data_version": "0.2.1"}]
)
def test_a_backup_of_a_newer_release(tmp_path: Path, changed: dict[str, Any]) -> None:
    path = packed([(MANIFEST, manifest(**changed)), (SQLITE, b"")], tmp_path / "b.tar")
    said = refused(path, tmp_path / "data")
    assert "newer than this one" in said.text
    assert "install" in said.next_step


def test_a_backup_that_an_upgrade_made_is_for_the_older_release(tmp_path: Path) -> None:
    path = packed([(MANIFEST, manifest(seawall_version="99.0", more="unknown")), (SQLITE, b"x")], tmp_path / "b.tar")
    assert check(path).manifest.data_version == "0.1.0"


@pytest.mark.parametrize(
    "text",
    [
        *[b"", b"{}", b"[]", b"null", b"{" * 5_000, b"\xff", b" " * (1024 * 1024 + 1)],
        *[manifest(database="cloud"), manifest(format="one"), manifest(data_version="new"), manifest(migrations=1)],
    ],
    ids=range(11),
)
def test_manifests_that_cannot_be_read(tmp_path: Path, text: bytes) -> None:
    path = packed([(MANIFEST, text), (SQLITE, b"")], tmp_path / "b.tar")
    assert "is damaged" in refused(path, tmp_path / "data").text


GOOD = [(MANIFEST, manifest()), (SQLITE, b"database"), ("keys/log.json", b"key")]


def relisted(change: Callable[[list[dict[str, Any]]], object], place: Path) -> Path:
    """The good archive with another list."""
    packed(GOOD, place)
    listed = msgspec.json.decode(members_of(place)[MEMBERS])
    change(listed)
    return packed([*GOOD, (MEMBERS, msgspec.json.encode(listed))], place, listed=False)


def test_the_made_up_archive_is_good(tmp_path: Path) -> None:
    assert check(packed(GOOD, tmp_path / "b.tar")).members == 3
    assert check(relisted(lambda listed: listed.reverse(), tmp_path / "b.tar")).members == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda listed: listed.pop(), "not in the list"),
        (lambda listed: listed.pop(0), "not in the list"),
        (lambda listed: listed.append({"name": "keys/more", "size": 1, "sha256": "0"}), "keys/more is missing"),
        (lambda listed: listed.append(dict(listed[0])), "twice"),
        (lambda listed: listed[1].update(size=1 << 40), "not what was written"),
        (lambda listed: listed[1].update(sha256="0" * 64), "not what was written"),
        (lambda listed: listed[0].update(sha256="0" * 64), "not what was written"),
        (lambda listed: listed[0].update(size="many"), "cannot be read"),
        (lambda listed: listed.clear(), "not in the list"),
    ],
)
def test_lists_that_do_not_fit(tmp_path: Path, change: Callable[[list[dict[str, Any]]], object], said: str) -> None:
    assert said in refused(relisted(change, tmp_path / "b.tar"), tmp_path / "data").text


@pytest.mark.parametrize(
    "name",
    ["state/gate-state.json", "serve.lock", "backups/x.tar", ".restoring/x", "keys/.x", POSTGRESQL, "..x/y", ".hidden"],
)
def test_members_that_no_backup_holds(tmp_path: Path, name: str) -> None:
    said = refused(packed([*GOOD, (name, b"x")], tmp_path / "b.tar"), tmp_path / "data")
    assert "nothing that a backup holds" in said.text


def test_a_member_behind_the_list_or_no_list_or_no_database(tmp_path: Path) -> None:
    path = packed([*GOOD, (MEMBERS, b"[]"), ("more", b"x")], tmp_path / "b.tar", listed=False)
    assert "behind the list" in refused(path, tmp_path / "data").text
    path = packed(GOOD, tmp_path / "b.tar", listed=False)
    assert "truncated" in refused(path, tmp_path / "data").text
    path = packed([GOOD[0], GOOD[2]], tmp_path / "b.tar")
    assert f"{SQLITE} is missing" in refused(path, tmp_path / "data").text


@configured(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_any_flipped_bit_is_noticed(backup: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(backup.read_bytes())
    # Half of the flips in the first and last kilobytes, where names, sizes and digests stand.
    near = st.integers(0, 2_000) | st.integers(len(whole) - 6_000, len(whole) - 1)
    at = data.draw(near | st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    copy = tmp_path / "flipped"
    copy.write_bytes(whole)
    with pytest.raises(UpkeepRefused):
        check(copy)


@configured(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_any_cut_is_noticed(backup: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = backup.read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(UpkeepRefused):
        check(cut)


@configured(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([MANIFEST, MEMBERS, SQLITE, "keys/a", "keys", "a/b", "state"]), st.binary(max_size=9)
        ),
        max_size=6,
        unique_by=lambda one: one[0],
    )
)
def test_any_other_archive_is_refused_in_words(tmp_path: Path, members: list[tuple[str, bytes]]) -> None:
    place = tmp_path / "b.tar"
    packed(members, place, listed=False)
    with pytest.raises(UpkeepRefused):
        check(place)


def test_a_directory_that_is_taken(backup: Path, lived_sqlite: Lived, tmp_path: Path) -> None:
    with pytest.raises(UpkeepRefused, match="is not empty") as caught:
        restore(lived_sqlite.settings, backup)
    assert "--data-dir" in caught.value.next_step
    require_same(lived_sqlite, lived_sqlite.settings)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UpkeepRefused, match="is a file"):
        restore(Settings(data_dir=tmp_path / "file"), backup)


def test_an_empty_directory_that_is_there_already(backup: Path, lived_template: Lived, tmp_path: Path) -> None:
    """As a volume of a container, whose parent nobody may write to, is."""
    place = tmp_path / "data"
    place.mkdir(mode=0o755)
    restore(Settings(data_dir=place), backup)
    require_same(lived_template, Settings(data_dir=place))
    connections["default"].close()
    require_private(place)


def test_too_little_space(backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "MARGIN_BYTES", 1 << 60)
    with pytest.raises(UpkeepRefused, match="MiB are free"):
        restore(Settings(data_dir=tmp_path / "data"), backup)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("given_url", [True, False])
def test_the_other_kind_of_database(backup: Path, tmp_path: Path, given_url: bool) -> None:
    place = Settings(data_dir=tmp_path / "data", database_url="postgresql://nobody@127.0.0.1:1/x" if given_url else "")
    path = (
        backup
        if given_url
        else packed([(MANIFEST, manifest(database="postgresql")), (POSTGRESQL, b"x")], tmp_path / "b.tar")
    )
    with pytest.raises(UpkeepRefused, match="of SQLite" if given_url else "of a PostgreSQL") as caught:
        restore(place, path)
    assert "--database-url" in caught.value.next_step
    assert not place.data_dir.exists()


@pytest.mark.postgresql
def test_a_database_that_is_not_empty_or_not_there(empty_database: str, tmp_path: Path) -> None:
    import psycopg

    path = packed([(MANIFEST, manifest(database="postgresql")), (POSTGRESQL, b"no dump")], tmp_path / "b.tar")
    place = Settings(data_dir=tmp_path / "data", database_url=empty_database)
    with pytest.raises(UpkeepRefused, match="pg_restore failed"):
        restore(place, path)
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE mine (x int)")
    with pytest.raises(UpkeepRefused, match="is not empty") as caught:
        restore(place, path)
    assert "dropdb" in caught.value.next_step
    with pytest.raises(UpkeepRefused, match="cannot be connected to"):
        restore(Settings(data_dir=place.data_dir, database_url="postgresql://nobody:secret@127.0.0.1:1/x"), path)
    assert not place.data_dir.exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from seawall.settings import Settings
from seawall.upkeep.backup import restore as restoring
left = [int(sys.argv[3])]
def count(real):
    def counted(*args, **named):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **named)
    return counted
restoring._unpack = count(restoring._unpack)
restoring.sync_directory = count(restoring.sync_directory)
restoring.replace_durably = count(restoring.replace_durably)
Path.rename = count(Path.rename)
restoring.restore(Settings(data_dir=Path(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("there_already", [False, True])
@pytest.mark.kill
def test_killed_at_any_step_it_is_no_data_directory_and_can_be_done_again(
    backup: Path, lived_template: Lived, tmp_path: Path, there_already: bool
) -> None:
    place = tmp_path / "data"
    # Every third step, and another third for each.
    for steps in range(int(there_already), 200, 3):
        if there_already:
            place.mkdir(exist_ok=True)
        words = [sys.executable, "-c", KILLED, str(place), str(backup), str(steps)]
        done = subprocess.run(words, check=False, capture_output=True)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        if (place / "keys").exists():
            # The keys come last: from here on everything is there.
            require_same(lived_template, Settings(data_dir=place))
            connections["default"].close()
            subprocess.run(["rm", "-r", str(place)], check=True)
    else:
        raise AssertionError("it never came to its end")
    assert steps > 20
    require_same(lived_template, Settings(data_dir=place))
    connections["default"].close()
    assert not {UNPACKED, PLACED} & {path.name for path in place.iterdir()}


def test_a_second_restore_waits_for_the_first(backup: Path, tmp_path: Path) -> None:
    place = Settings(data_dir=tmp_path / "data")
    place.data_dir.mkdir()
    with restoring._unpacking(place.data_dir), pytest.raises(UpkeepRefused, match="at work"):
        restore(place, backup)


def test_scaffolding_of_others_is_not_followed(backup: Path, tmp_path: Path) -> None:
    """Names in it never lead out of the directory."""
    place, precious = tmp_path / "data", tmp_path / "precious"
    (place / UNPACKED).mkdir(parents=True)
    precious.write_text("mine")
    (place / PLACED).write_bytes(msgspec.json.encode(["../precious", str(precious), ".."]))
    restore(Settings(data_dir=place), backup)
    assert precious.read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'database_url = "postgresql://u@h/d"\n'),
        ("port = 1\n", 'database_url = "postgresql://u@h/d"\nport = 1\n'),
        ('a = 1\n\ndatabase_url = "x"\nb = 2', 'a = 1\n\ndatabase_url = "postgresql://u@h/d"\nb = 2'),
        ("# database_url = 'x'\n", "database_url = \"postgresql://u@h/d\"\n# database_url = 'x'\n"),
    ],
)
def test_the_settings_name_the_database(text: str, expected: str) -> None:
    assert with_database_url(text, "postgresql://u@h/d") == expected


def test_a_url_with_every_character_survives_the_settings(tmp_path: Path) -> None:
    import tomllib

    url = "postgresql://u:a\\b\"c'd%2F&$1\\g<0>é@h/d?options=-c%20x"
    assert tomllib.loads(with_database_url("database_url = 'old'\nport = 1\n", url)) == {"database_url": url, "port": 1}


def test_records_are_what_the_documents_say() -> None:
    assert Manifest.__struct_fields__[0] == "format"
    assert MemberRecord.__struct_fields__ == ("name", "size", "sha256")
