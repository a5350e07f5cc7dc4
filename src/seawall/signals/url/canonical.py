"""The canonical form of a URL (docs/reference/signals.md; vectors in tests/vectors/url_canonical.json).

The WHATWG URL standard does the reading, as browsers do; the steps after it are ours and are numbered in the reference.
"""

from urllib.parse import quote_from_bytes, unquote_to_bytes

import can_ada

from seawall.signals.model import BadSignal

#: RFC 9110 §4.1 asks everyone to support 8 000 octets; whatever is longer is data rather than an address.
MAX_URL_LENGTH = 8_192

#: Escaping and punycode make an address longer. A canonical form is an address too and is read again when it is listed
#: or looked up, so it has the same limit.
_MAX_CANONICAL_LENGTH = MAX_URL_LENGTH

#: Parameters that say how a reader came to a page and never which page it is. Sharing buttons add them, so the same
#: listed address would otherwise come in a thousand spellings. A name belongs here only if no known site chooses its
#: content by it: `ref`, `s`, `t` and `si` do not.
TRACKING_PARAMETERS = frozenset(
    {
        "__hsfp", "__hssc", "__hstc", "__twitter_impression", "_ga", "_gl", "_hsenc", "_hsmi", "_openstat", "dclid",
        "fb_action_ids", "fb_action_types", "fb_source", "fbclid", "gad_campaignid", "gad_source", "gbraid", "gclid",
        "gclsrc", "hsctatracking", "igsh", "igshid", "li_fat_id", "mc_cid", "mc_eid", "mkt_tok", "ml_subscriber",
        "ml_subscriber_hash", "msclkid", "oly_anon_id", "oly_enc_id", "rb_clickid", "s_cid", "srsltid", "ttclid",
        "twclid", "vero_conv", "vero_id", "wbraid", "wickedid", "yclid", "ysclid",
    }
)  # fmt: skip

#: The same for families of names.
TRACKING_PREFIXES = ("utm_", "pk_", "mtm_", "piwik_", "matomo_")

#: What may stand unescaped beside letters, digits and `-._~`: the rest of RFC 3986's `pchar`, without what separates.
_PATH_SAFE = "!$&'()*+,;=:@"
_QUERY_SAFE = "!$'()*,;:@/?"
_ROUTE_SAFE = "!$&'()*+,;=:@/?"

#: One more round settles what a stripped dot or a changed scheme can leave behind; never seen to need a third.
_MAX_ROUNDS = 4

_NEXT_STEP = "give the whole address, like https://example.org/page"


def canonical_url(url: str) -> str:
    """The canonical form of an http or https address; applying it twice changes nothing.

    Raises BadSignal for anything else, with the next step.
    """
    if len(url) > MAX_URL_LENGTH:
        raise BadSignal(f"url: {len(url)} characters, and {MAX_URL_LENGTH} are the limit: {_NEXT_STEP}")
    for _ in range(_MAX_ROUNDS):
        canonical = _one_round(url)
        if len(canonical) > _MAX_CANONICAL_LENGTH:
            raise BadSignal(f"url: longer than {_MAX_CANONICAL_LENGTH} characters once escaped: {_NEXT_STEP}")
        if canonical == url:
            return canonical
        url = canonical
    raise BadSignal(f"url: has no stable canonical form: {_NEXT_STEP}")


def _one_round(url: str) -> str:
    parsed = _parse(url)
    host = parsed.hostname.rstrip(".")
    if not host:
        raise BadSignal(f"url: has no host name: {_NEXT_STEP}")
    port = "" if parsed.port in {"", "443"} else f":{parsed.port}"
    query = _query(parsed.search.removeprefix("?"))
    return f"https://{host}{port}{_path(parsed.pathname)}{query}{_route(parsed.hash)}"


def _parse(url: str) -> can_ada.URL:
    try:
        parsed = can_ada.parse(url)
    except (ValueError, UnicodeError, TypeError) as error:
        raise BadSignal(f"url: not an address that a browser could open: {_NEXT_STEP}") from error
    if parsed.protocol not in {"http:", "https:"}:
        raise BadSignal(f"url: expected http or https, got {parsed.protocol[:40]!r}: {_NEXT_STEP}")
    return parsed


def _path(path: str) -> str:
    return "/".join(_escape(segment, _PATH_SAFE) for segment in path.split("/")) or "/"


def _query(query: str) -> str:
    pairs = []
    for field in query.replace("+", "%20").split("&"):
        name, _, value = field.partition("=")
        if not field or _is_tracking(name):
            continue
        name, value = _escape(name, _QUERY_SAFE), _escape(value, _QUERY_SAFE)
        pairs.append((name, f"{name}={value}" if value else name))
    # Sorted by name only: the order of equal names can carry meaning. An equals sign without a name must stay.
    pairs.sort(key=lambda pair: pair[0])
    kept = "&".join(text for _, text in pairs if text)
    return f"?{kept}" if kept else ""


def _is_tracking(name: str) -> bool:
    plain = unquote_to_bytes(name).decode("utf-8", "replace").lower()
    return plain in TRACKING_PARAMETERS or plain.startswith(TRACKING_PREFIXES)


def _route(fragment: str) -> str:
    """Fragments that begin with `!` or `/` name the page itself on sites that draw it in the browser.

    Without them a single listed file of such a host would make every address there a match.
    """
    route = fragment.removeprefix("#")
    return f"#{_escape(route, _ROUTE_SAFE)}" if route.startswith(("!", "/")) else ""


def _escape(text: str, safe: str) -> str:
    """One spelling for each octet: decoded, then escaped again with upper-case hex unless it is unreserved or safe."""
    return quote_from_bytes(unquote_to_bytes(text), safe=safe)
