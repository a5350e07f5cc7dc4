"""Flags win over the environment, which wins over the file; nothing misspelt is ignored."""

from pathlib import Path
from typing import Any

import pytest

from seawall.settings import Settings, SettingsError, load_settings, without_password


def test_the_order_of_sources(tmp_path: Path) -> None:
    (tmp_path / "seawall.toml").write_text('port = 1\nhost = "a"\nlog_format = "json"\n')
    environment = {"SEAWALL_PORT": "2", "SEAWALL_HOST": "b", "SEAWALL_DATA_DIR": str(tmp_path), "PATH": "/bin"}
    settings = load_settings({"port": 3, "host": None}, environment)
    assert (settings.port, settings.host, settings.log_format, settings.data_dir) == (3, "b", "json", tmp_path)


def test_defaults_need_no_file_and_no_environment() -> None:
    assert load_settings({}, {}) == Settings()


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({}, {"SEAWALL_PROT": "1"}, "no setting called 'prot'"),
        ({"prot": 1}, {}, "no setting called 'prot'"),
        ({}, {"SEAWALL_PORT": "eighty"}, "wrong form"),
        ({}, {"SEAWALL_PORT": "70000"}, "outside"),
        ({}, {"SEAWALL_DATABASE_URL": "mysql://x"}, "postgresql://"),
        ({}, {"SEAWALL_LOG_FORMAT": "xml"}, "neither text nor json"),
        ({}, {"SEAWALL_TRUSTED_PROXIES": "*"}, "neither an address nor a network"),
        ({}, {"SEAWALL_TRUSTED_PROXIES": "127.0.0.1, proxy.example"}, "'proxy.example' is neither"),
        ({}, {"SEAWALL_TRUSTED_PROXIES": "10.0.0.1/8"}, "neither an address nor a network"),
        ({}, {"SEAWALL_TRUSTED_PROXIES": "::/0"}, "would trust everybody"),
        ({}, {"SEAWALL_QUEUE_LIMIT": "0"}, "at least 1"),
        ({}, {"SEAWALL_KEEP_MATCHED_DAYS": "-1"}, "at least 1"),
        ({}, {"SEAWALL_KEEP_MATCHED_DAYS": "10000000"}, "at most 36500"),
        ({}, {"SEAWALL_DECODERS": "-1"}, "outside 0..1024"),
        ({}, {"SEAWALL_DECODER_DEADLINE": "0"}, "above 0"),
        ({}, {"SEAWALL_DECODER_DEADLINE": "nan"}, "above 0"),
        ({}, {"SEAWALL_DECODER_MEMORY_BYTES": "0"}, "at least 1"),
        ({}, {"SEAWALL_DATABASE_URL": "postgresql://sea@db"}, "names no database"),
        ({}, {"SEAWALL_DATABASE_URL": "postgresql://sea:se#cret@db/wall"}, "cannot be read"),
        ({}, {"SEAWALL_DATABASE_URL": "postgresql://sea:se[cret@db/wall"}, "cannot be read"),
    ],
)
def test_bad_settings_are_named(flags: dict[str, object], environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings(flags, environment)
    assert "cret" not in str(caught.value), "a password is never repeated"


def test_addresses_of_either_kind_make_a_link() -> None:
    assert Settings(host="::1").base_url == "http://[::1]:8080"
    assert Settings(host="127.0.0.1", port=80).base_url == "http://127.0.0.1:80"
    assert Settings(public_url="https://wall.example/").base_url == "https://wall.example"


def test_proxies_are_addresses_and_networks_with_commas() -> None:
    assert Settings().proxies == ()
    settings = load_settings({"trusted_proxies": " 127.0.0.1, ::1,10.0.0.0/8 ,"}, {})
    assert settings.proxies == ("127.0.0.1", "::1", "10.0.0.0/8")


@pytest.mark.parametrize(
    ("text", "message"),
    [("port = ", "not valid TOML"), ("prot = 1", "no setting called 'prot'"), ('data_dir = "x"', "'data_dir'")],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "seawall.toml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        load_settings({"data_dir": tmp_path}, {})


def test_build_variables_are_not_settings() -> None:
    assert load_settings({}, {"SEAWALL_REQUIRE_EXT": "1"}) == Settings()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://sea:secret@db:5432/wall?x=1", "postgresql://sea:***@db:5432/wall?x=1"),
        ("postgresql://sea@db/wall", "postgresql://sea@db/wall"),
        ("postgresql:///wall?host=db&password=secret&x=1", "postgresql:///wall?host=db&password=***&x=1"),
        ("postgresql://db/wall?sslpassword=secret", "postgresql://db/wall?sslpassword=***"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://localhost:8080"),
        ({"host": "0.0.0.0", "port": 99}, "http://localhost:99"),
        ({"host": "::1"}, "http://localhost:8080"),
        ({"host": "192.0.2.7"}, "http://192.0.2.7:8080"),
        ({"host": "2001:db8::7"}, "http://[2001:db8::7]:8080"),
        ({"host": "harbour.example"}, "http://harbour.example:8080"),
        ({"public_url": "https://seawall.example/"}, "https://seawall.example"),
        ({"public_url": "http://127.0.0.1:81"}, "http://127.0.0.1:81"),
    ],
)
def test_people_come_to_this_machine_by_name(given: dict[str, Any], url: str) -> None:
    assert Settings(**given).people_url == url
