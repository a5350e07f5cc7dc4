"""What the doctor looks at. Each check yields its findings; one that fails is itself a finding."""

import os
import platform
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from gettext import gettext as _
from importlib.metadata import version

from seawall.record.clock import rfc3339, system_clock
from seawall.settings import Settings, without_password
from seawall.upkeep.finding import Finding, Health
from seawall.upkeep.surroundings import (
    check_address,
    check_backups,
    check_clock,
    check_connections,
    check_directory,
    check_disk,
    check_moved,
    check_release,
)

__all__ = ["Finding", "Health", "findings"]

#: Supported for operation (DESIGN §4); elsewhere Seawall is for development.
SUPPORTED = (("Linux", "x86_64"), ("Linux", "aarch64"))

#: The server publishes changes within a second and numbers events within one; after this long something is stuck.
STUCK_SECONDS = 60


#: Looks at one thing.
Check = Callable[[Settings], Iterator[Finding]]


def findings(settings: Settings) -> Iterator[Finding]:
    """Everything there is to say, in the order in which it should be mended."""
    from seawall.app import is_prepared

    of_the_machine = (check_versions, check_kernel, check_jail, check_decoders, check_directory, check_disk)
    of_the_rooms = (check_policy, check_surfaces, check_banks, check_keys, check_server, check_log, check_holds)
    of_the_place = (check_backups, check_address, check_connections)
    prepared = is_prepared(settings)
    checks: tuple[Check, ...] = (*of_the_machine, check_clock, *of_the_place[1:])
    if prepared:
        checks = (
            *of_the_machine,
            check_release,
            check_database,
            check_moved,
            check_clock,
            *of_the_rooms,
            *of_the_place,
        )
    for check in checks:
        yield from _survive(check, settings)


def _survive(check: Check, settings: Settings) -> Iterator[Finding]:
    """A check that fails must not keep the others from being made."""
    try:
        yield from check(settings)
    except Exception as error:  # noqa: BLE001 - whatever it was, it is what the doctor found
        about = check.__name__.removeprefix("check_")
        text = " ".join(f"{type(error).__name__}: {error}".split())
        yield Finding(
            about=about,
            health=Health.BAD,
            text=_("could not be looked at: {error}").format(error=text),
            next_step=_("mend what is bad above, then run `seawall doctor` again"),
        )


def check_versions(_settings: Settings) -> Iterator[Finding]:
    machine = (platform.system(), platform.machine())
    text = _("Seawall {seawall}, Python {python}, SQLite {sqlite}, Django {django}, {system} {machine}").format(
        seawall=version("seawall"),
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        django=version("django"),
        system=machine[0],
        machine=machine[1],
    )
    if machine in SUPPORTED:
        yield Finding(about="versions", health=Health.OK, text=text)
    else:
        step = _("run the real one on Linux, x86-64 or aarch64")
        yield Finding(about="versions", health=Health.WARN, text=text, next_step=step)


def check_kernel(_settings: Settings) -> Iterator[Finding]:
    from seawall.matching.index import NATIVE as NATIVE_INDEX
    from seawall.signals.image import NATIVE as NATIVE_PDQ

    if NATIVE_INDEX and NATIVE_PDQ:
        yield Finding(about="kernel", health=Health.OK, text=_("compiled"))
        return
    yield Finding(
        about="kernel",
        health=Health.WARN,
        text=_("the slow twin in numpy: the same answers, many times slower"),
        next_step=_("install g++ and make, then install seawall again with SEAWALL_REQUIRE_EXT=1"),
    )


def check_jail(_settings: Settings) -> Iterator[Finding]:
    """How strong the walls are behind which strangers' files are opened (docs/adr/0004-decode-workers.md)."""
    text = _("level 1: own processes with limits of memory, time, files and processes, killed at their deadline")
    if os.geteuid() != 0:
        yield Finding(about="jail", health=Health.OK, text=text)
        return
    yield Finding(
        about="jail",
        health=Health.WARN,
        text=_("{text}; as root the limit of processes does not hold").format(text=text),
        next_step=_("run Seawall as a user of its own: deploy/systemd/seawall.service does"),
    )


def check_decoders(settings: Settings) -> Iterator[Finding]:
    """The test card, which hashes to a known value, through a real worker."""
    from seawall.matching import testcard
    from seawall.signals.extract import extract, open_jail
    from seawall.signals.model import Kind, Part

    card = Part(name="picture", kind=Kind.IMAGE, data=testcard.picture())
    with open_jail(workers=1, deadline=settings.decoder_deadline, memory=settings.decoder_memory_bytes) as jail:
        found = extract([card], jail)
    if found.gaps:
        yield Finding(
            about="decoders",
            health=Health.BAD,
            text=found.gaps[0].text,
            next_step=_("raise decoder_memory_bytes or decoder_deadline, or free memory on this machine"),
        )
        return
    if testcard.PDQ not in {signal.value for signal in found.signals}:
        yield Finding(
            about="decoders",
            health=Health.BAD,
            text=_("the test card came out with another hash: pictures would not be recognised"),
            next_step=_("install Seawall and its dependencies anew, in an environment of their own"),
        )
        return
    yield Finding(
        about="decoders",
        health=Health.OK,
        text=_("{count} worker processes with limits: {memory} MiB of memory, {seconds:g} s, no core files").format(
            count=settings.decoders or os.cpu_count(),
            memory=settings.decoder_memory_bytes // 1024**2,
            seconds=settings.decoder_deadline,
        ),
    )


def check_database(settings: Settings) -> Iterator[Finding]:
    from django.db import connection

    from seawall.app import bind

    bind(settings)
    from seawall.upkeep.model import UpkeepRefused
    from seawall.upkeep.upgrade import standing

    where = without_password(settings.database_url) if settings.on_postgresql else str(settings.database_path)
    try:
        found = standing(settings)
    except UpkeepRefused as refused:
        yield Finding(about="database", health=Health.BAD, text=refused.text, next_step=refused.next_step)
        return
    step = _("start `seawall serve` once: it brings the tables up to date")
    if found.is_fresh:
        text = _("{where}: there are no tables in it yet").format(where=where)
        yield Finding(about="database", health=Health.BAD, text=text, next_step=step)
    elif found.pending:
        text = _("{where}: {count} changes of its tables are missing")
        text = text.format(where=where, count=len(found.pending))
        yield Finding(about="database", health=Health.BAD, text=text, next_step=step)
    else:
        yield Finding(about="database", health=Health.OK, text=f"{connection.display_name}, {where}")


def check_policy(_settings: Settings) -> Iterator[Finding]:
    from seawall.screening.policies import policy_in_force, rules_of
    from seawall.screening.policy import lint
    from seawall.screening.publish import bank_rules

    version_in_force = policy_in_force()
    rules = rules_of(version_in_force)
    problems = lint(rules, {bank.name: bank for bank in bank_rules()})
    text = _("{name}, version {version}, {count} rules").format(
        name=version_in_force.policy_id, version=version_in_force.version, count=len(rules)
    )
    if problems:
        step = _("correct it: `seawall policy show --json`, edit, `seawall policy save FILE`")
        yield Finding(about="policy", health=Health.BAD, text=f"{text}: {problems[0]}", next_step=step)
    else:
        yield Finding(about="policy", health=Health.OK, text=text)


def check_surfaces(_settings: Settings) -> Iterator[Finding]:
    from seawall.screening.policies import list_surfaces

    names = [one.name for one in list_surfaces()]
    if names:
        yield Finding(about="surfaces", health=Health.OK, text=f"{len(names)}: {', '.join(names[:10])}")
    else:
        step = _("declare where people publish: `seawall surface create --help`")
        yield Finding(about="surfaces", health=Health.WARN, text=_("none"), next_step=step)


def check_banks(_settings: Settings) -> Iterator[Finding]:
    from seawall.matching.summary import protection

    found = protection(system_clock())
    banks, signals = found.banks, found.signals
    protecting = [one for one in banks if one.counts_as_protection and one.kind != "known_safe"]
    text = _("{signals} signals in {banks} banks protect; {others} other banks (test card, demonstration, known-safe)")
    text = text.format(signals=signals, banks=len(protecting), others=len(banks) - len(protecting))
    if signals:
        yield Finding(about="banks", health=Health.OK, text=text)
    else:
        step = _("list something: `seawall bank create NAME`, then `seawall bank add` or `seawall bank import`")
        yield Finding(about="banks", health=Health.WARN, text=text, next_step=step)


def check_keys(_settings: Settings) -> Iterator[Finding]:
    from seawall.members.issue import key_records

    now = system_clock()
    records = key_records().values()
    good = [one for one in records if one.revoked_at is None and (one.expires_at is None or one.expires_at > now)]
    text = _("{good} API keys in use, {rest} expired or revoked").format(good=len(good), rest=len(records) - len(good))
    if good:
        yield Finding(about="keys", health=Health.OK, text=text)
    else:
        step = _("make one for your platform: `seawall key create NAME --scope screen`")
        yield Finding(about="keys", health=Health.WARN, text=text, next_step=step)


def check_server(settings: Settings) -> Iterator[Finding]:
    """Whether one runs, and how old what it answers from is."""
    from seawall.app import try_lock
    from seawall.screening.gate_state import BadGateState, read_state

    with try_lock(settings.data_dir) as holder:
        running = holder
    if running is None:
        step = _("start it: `seawall serve`")
        yield Finding(about="server", health=Health.WARN, text=_("none is running here"), next_step=step)
    else:
        text = _("process {process} serves this directory").format(process=running)
        yield Finding(about="server", health=Health.OK, text=text)
    try:
        state = read_state(settings.state_dir)
    except FileNotFoundError:
        text, health = _("nothing was published yet"), Health.OK if running is None else Health.BAD
    except BadGateState as error:
        text, health = str(error), Health.BAD
    else:
        age = _age(system_clock(), state.made_at)
        text = _("state {number}, published {age} ago ({when})").format(
            number=state.number, age=age, when=rfc3339(state.made_at)
        )
        health = Health.OK
    step = "" if health is Health.OK else _("restart `seawall serve`: it publishes anew from the database")
    yield Finding(about="snapshot", health=health, text=text, next_step=step)


def check_log(settings: Settings) -> Iterator[Finding]:
    from seawall.record.models import Checkpoint, Event
    from seawall.record.signing import load_verification_keys

    load_verification_keys(settings.keys_dir)
    newest = Checkpoint.objects.order_by("-size").first()
    waiting = Event.objects.filter(leaf_index=None).order_by("serial")
    count = waiting.count()
    text = _("{size} leaves, {waiting} pending").format(size=newest.size if newest else 0, waiting=count)
    oldest = waiting.first()
    stuck = oldest is not None and (system_clock() - oldest.created_at).total_seconds() > STUCK_SECONDS
    if stuck:
        step = _("start `seawall serve`, or run `seawall log verify` if it is running: it says what stops the log")
        yield Finding(about="log", health=Health.WARN, text=text, next_step=step)
    else:
        yield Finding(about="log", health=Health.OK, text=text)


def check_holds(_settings: Settings) -> Iterator[Finding]:
    from seawall.screening.holds import HoldPhase
    from seawall.screening.models import Hold

    waiting = Hold.objects.filter(state=HoldPhase.WAITING).order_by("expires_at")
    first = waiting.first()
    if first is None:
        yield Finding(about="holds", health=Health.OK, text=_("none waits for a person"))
        return
    text = _("{count} wait for a person; the first is {id}").format(count=waiting.count(), id=first.screening_id)
    step = _("look at it, then `seawall release ID --reason …` or `seawall refuse ID --reason …`")
    yield Finding(about="holds", health=Health.WARN, text=text, next_step=step)


def _age(now: datetime, then: datetime) -> str:
    seconds = max(0, int((now - then).total_seconds()))
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
