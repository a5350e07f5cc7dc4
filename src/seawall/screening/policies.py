"""Saving, reading and listing policies and surfaces: tables, event and generation in one transaction."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec
from django.db import transaction

from seawall.record.events import PolicySaved, SurfaceSaved
from seawall.record.generation import bump
from seawall.record.journal import record
from seawall.screening.model import Action, Audience, BankRules, Rule, Surface
from seawall.screening.models import PolicyVersion, SurfaceRow
from seawall.screening.policy import NAME, PolicyError, lint

#: One policy a data directory for now; the name is in every verdict, so that more can follow.
DEFAULT_POLICY = "default"

#: Generation that counts changes to policies and surfaces.
GENERATION = "policy"

#: Longest time a person may be given: a hold that nobody looks at for months is a refusal without saying so.
LONGEST_HOLD_HOURS = 24 * 30

#: Nobody appeals after ten years, and what can be appealed against must be kept until then.
LONGEST_APPEAL_DAYS = 3650

#: The test card must always block, and instructional material never blocks by itself (DESIGN §6).
BUILT_IN_RULES = (
    Rule(
        name="test-card",
        banks=("test-card",),
        action=Action.BLOCK,
        code="test_card",
        text="This is Seawall's harmless test card: your wiring works.",
        public_text="This is a harmless test card, stopped to show that screening works.",
        priority=100,
    ),
    Rule(
        name="instructional-material",
        labels=("instructional",),
        action=Action.HOLD,
        code="instructional",
        text="Resembles listed instructional material. A person decides, because research and teaching use it too.",
        public_text="A technical check found a close resemblance to listed instructional material. A person will look.",
        priority=50,
    ),
)


class SurfaceError(ValueError):
    """The surface was not saved; the message says why and what to do."""


class NoPolicy(LookupError):
    """No policy was saved yet: `seawall policy show` needs a data directory that `seawall serve` has prepared."""


class PolicyMoved(Exception):
    """Somebody saved another version meanwhile, and nothing was saved over it. `newest` is that version."""

    def __init__(self, newest: PolicyVersion) -> None:
        super().__init__(f"version {newest.version} was saved meanwhile; look at it and make your change again")
        self.newest = newest


def save_policy(
    rules: Sequence[Rule],
    *,
    banks: Sequence[BankRules],
    by: str,
    now: datetime,
    note: str = "",
    based_on: int | None = None,
) -> PolicyVersion:
    """Save these rules as the next version, which is in force at once.

    `based_on` is the version that the person had before them; None saves over whatever there is.

    Raises:
        PolicyError: anything `lint` finds; nothing was saved.
        PolicyMoved: the newest version is not `based_on`; nothing was saved.
    """
    problems = lint(rules, {bank.name: bank for bank in banks})
    if problems:
        raise PolicyError(problems)
    body = msgspec.json.encode(list(rules), order="deterministic")
    with transaction.atomic():
        bump(GENERATION)
        newest = PolicyVersion.objects.filter(policy_id=DEFAULT_POLICY).order_by("-version").first()
        if newest is not None and based_on not in {None, newest.version}:
            raise PolicyMoved(newest)
        saved = PolicyVersion.objects.create(
            policy_id=DEFAULT_POLICY,
            version=newest.version + 1 if newest else 1,
            rules=body.decode(),
            note=note,
            saved_at=now,
            saved_by=by,
        )
        digest = hashlib.sha256(body).hexdigest()
        record(PolicySaved(by=by, policy=DEFAULT_POLICY, version=saved.version, digest=digest), now=now)
    return saved


def ensure_built_in(*, banks: Sequence[BankRules], by: str, now: datetime) -> None:
    """A fresh data directory gets the built-in rules; a saved policy is never touched."""
    if not PolicyVersion.objects.exists():
        save_policy(BUILT_IN_RULES, banks=banks, by=by, now=now, note="built-in")


def policy_in_force() -> PolicyVersion:
    newest = PolicyVersion.objects.filter(policy_id=DEFAULT_POLICY).order_by("-version").first()
    if newest is None:
        raise NoPolicy(NoPolicy.__doc__)
    return newest


def policy_version(number: int) -> PolicyVersion | None:
    """A version that was saved, in force or not."""
    return PolicyVersion.objects.filter(policy_id=DEFAULT_POLICY, version=number).first()


def saved_versions(*, before: int | None = None, limit: int = 50) -> list[PolicyVersion]:
    """The versions saved before this one (or all), newest first, at most `limit`."""
    rows = PolicyVersion.objects.filter(policy_id=DEFAULT_POLICY)
    if before is not None:
        rows = rows.filter(version__lt=before)
    return list(rows.order_by("-version")[:limit])


def rules_of(version: PolicyVersion) -> tuple[Rule, ...]:
    return msgspec.json.decode(version.rules, type=tuple[Rule, ...])


def parse_rules(text: str | bytes) -> tuple[Rule, ...]:
    """Rules from a JSON list, as `seawall policy show --json` prints them.

    Raises:
        PolicyError: not such a list; the message says where.
    """
    try:
        return msgspec.json.decode(text, type=tuple[Rule, ...])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PolicyError([f"it is not a JSON list of rules: {error}"]) from error


def rules_naming(bank: str) -> list[str]:
    """The rules in force that name this bank: it can be neither renamed nor retired under them."""
    try:
        return [rule.name for rule in rules_of(policy_in_force()) if bank in rule.banks]
    except NoPolicy:
        return []


def save_surface(surface: Surface, *, by: str, now: datetime) -> None:
    """Declare a surface or change one.

    Raises:
        SurfaceError: a bad name or number, or private communication without a recorded legal basis.
    """
    if not NAME.fullmatch(surface.name):
        raise SurfaceError(f"{surface.name!r} is no surface name: use lower-case letters, digits, dots and hyphens")
    if not 1 <= surface.hold_hours <= LONGEST_HOLD_HOURS:
        raise SurfaceError(f"a hold lasts 1 to {LONGEST_HOLD_HOURS} hours, not {surface.hold_hours}")
    if not 1 <= surface.appeal_days <= LONGEST_APPEAL_DAYS:
        text = f"the appeal window has 1 to {LONGEST_APPEAL_DAYS} days, not {surface.appeal_days}"
        raise SurfaceError(f"{text}; six months is the default")
    if surface.audience is Audience.PRIVATE and not surface.private_basis.strip():
        text = "private communication is not screened without a legal basis"
        raise SurfaceError(f"{text}: record it with the surface, or leave private messages alone")
    body = msgspec.json.encode(surface, order="deterministic")
    with transaction.atomic():
        bump(GENERATION)
        SurfaceRow.objects.update_or_create(
            name=surface.name, defaults={"body": body.decode(), "saved_at": now, "saved_by": by}
        )
        record(SurfaceSaved(by=by, surface=surface.name, digest=hashlib.sha256(body).hexdigest()), now=now)


def list_surfaces() -> list[Surface]:
    rows = SurfaceRow.objects.order_by("name").values_list("body", flat=True)
    return [msgspec.json.decode(body, type=Surface) for body in rows]
