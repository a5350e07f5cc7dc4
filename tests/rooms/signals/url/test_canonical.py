"""The canonical form of addresses: the published vectors, and what no address may do."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.signals import BadSignal, canonical_signal
from seawall.signals.url import MAX_URL_LENGTH, TRACKING_PARAMETERS, canonical_url

VECTORS = json.loads(Path("tests/vectors/url_canonical.json").read_text(encoding="utf-8"))["vectors"]
ACCEPTED = [vector for vector in VECTORS if vector["canonical"] is not None]
REFUSED = [vector for vector in VECTORS if vector["canonical"] is None]

_PIECES = st.sampled_from(
    ["%", "%2", "%2e", "%2F", "%25", "%C3%A9", "/", "\\", "..", ".", "?", "&", "=", "+", "#", "#!", "#/", "@", ":",
     "443", "80",
     "[", "]", "a", "B", "é",
     "\u0301", "。", "ﬀ", "utm_x=", "fbclid", " ", "\t", "\x00", "|", "^", "'", "\ud800", "1.2",
     "0x7f", "xn--", "-"]
)  # fmt: skip

#: Addresses as nobody would write them, most of which a browser still opens.
ODD_URLS = st.builds(
    lambda scheme, host, rest: scheme + "".join(host) + "".join(rest),
    st.sampled_from(["http://", "https://", "HTTPS:", "http:///", "https://u:p@"]),
    st.one_of(st.just(["example.org"]), st.lists(_PIECES, min_size=1, max_size=5)),
    st.lists(_PIECES, max_size=12),
)


@pytest.mark.parametrize("vector", ACCEPTED, ids=lambda vector: ascii(vector["url"]))
def test_vectors(vector: dict[str, str]) -> None:
    assert canonical_url(vector["url"]) == vector["canonical"]
    assert canonical_url(vector["canonical"]) == vector["canonical"]


@pytest.mark.parametrize("vector", REFUSED, ids=lambda vector: ascii(vector["url"])[:60])
def test_refusals_say_the_next_step(vector: dict[str, str]) -> None:
    with pytest.raises(BadSignal, match=r"^url: .*give the whole address, like https://example\.org/page"):
        canonical_url(vector["url"])


def test_there_are_vectors_enough() -> None:
    assert len(ACCEPTED) >= 60
    assert len(REFUSED) >= 20


@settings(max_examples=500, deadline=None)
@given(ODD_URLS)
def test_a_second_time_changes_nothing(url: str) -> None:
    try:
        once = canonical_url(url)
    except BadSignal:
        return
    assert canonical_url(once) == once
    assert once.isascii()
    assert once.isprintable()
    assert once.startswith("https://")
    assert " " not in once
    assert "@" not in once.removeprefix("https://").partition("/")[0]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_bad_signal(text: str) -> None:
    try:
        canonical_url(text)
    except BadSignal:
        return


@settings(max_examples=100, deadline=None)
@given(st.permutations(["a=1", "b=%41", "c", "utm_source=x", "d=e%20f"]))
def test_the_order_of_parameters_never_matters(parameters: list[str]) -> None:
    assert canonical_url("https://example.org/?" + "&".join(parameters)) == "https://example.org/?a=1&b=A&c&d=e%20f"


@pytest.mark.parametrize("name", sorted(TRACKING_PARAMETERS))
def test_each_tracking_parameter_is_dropped(name: str) -> None:
    assert canonical_url(f"https://example.org/a?{name}=x&v=1") == "https://example.org/a?v=1"
    assert canonical_url(f"https://example.org/a?{name}") == "https://example.org/a"
    assert canonical_url(f"https://example.org/a?x{name}=1") == f"https://example.org/a?x{name}=1"


@pytest.mark.parametrize("url", ["https://a/\ud800", "https://\ud800/", "\ud800", "https://a/?\udfff=\udfff#!\udfff"])
def test_lone_surrogates_are_refused_and_crash_nothing(url: str) -> None:
    with pytest.raises(BadSignal):
        canonical_url(url)


def test_files_on_hosts_that_name_them_after_the_hash_stay_different() -> None:
    """Without this rule, one listed file of such a host would make each of its files a match."""
    assert canonical_url("https://files.example/#!abc") != canonical_url("https://files.example/#!def")


def test_the_longest_address_takes_no_time() -> None:
    for filling in ("a", "&", "a=b&", "/../", "?", "%2e%2e/", "#"):
        head = "https://example.org/?"
        url = head + filling * ((MAX_URL_LENGTH - len(head)) // len(filling))
        before = time.process_time()
        assert canonical_url(url).startswith("https://example.org/")
        assert time.process_time() - before < 0.5


def test_an_address_that_grows_beyond_the_limit_by_escaping_is_refused_in_no_time() -> None:
    """Were it accepted, its canonical form would be refused where it is looked up."""
    for filling in ("%", "é"):
        before = time.process_time()
        with pytest.raises(BadSignal, match="once escaped"):
            canonical_url("https://example.org/?" + filling * 8_000)
        assert time.process_time() - before < 0.5


def test_white_space_around_a_listed_address_is_refused_where_signals_are_given() -> None:
    with pytest.raises(BadSignal, match="white space around"):
        canonical_signal("url", " https://example.org/")
