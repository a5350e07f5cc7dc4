"""`seawall mail …`: the mail server that takes our mail when an upload waits."""

from gettext import gettext as _
from pathlib import Path
from typing import Any, TextIO

import click

from seawall.doors.cli.invocation import Group, Invocation, owner, pass_invocation
from seawall.doors.cli.trouble import Trouble
from seawall.record.clock import rfc3339, system_clock

SECURITY = ("tls", "starttls", "none")
#: Where servers listen, by what they speak there.
PORTS = {"tls": 465, "starttls": 587, "none": 25}

#: `mail.server.MAX_SECRET_LENGTH` and a line end; more is some other file.
MAX_PASSWORD_FILE = 2_000


@click.group("mail", cls=Group, help=_("Mail to people when an upload waits. Off until you set a server."))
def mail() -> None:
    pass


@mail.command(
    "set",
    help=_(
        "Send mail through the server HOST. The password is asked for, or read from a file, and never an option: other "
        "users of this machine can see those. A running server takes the change over within seconds."
    ),
)
@click.argument("host")
@click.option("--sender", required=True, help=_("The address the mail comes from, such as seawall@example.org."))
@click.option(
    "--security",
    type=click.Choice(SECURITY),
    default="tls",
    show_default=True,
    help=_("How the connection is encrypted; none only for a server on this machine."),
)
@click.option("--port", type=int, help=_("Where it listens. [465 with tls, 587 with starttls, 25 with none]"))
@click.option("--username", default="", help=_("The name to sign in with, if the server asks for one."))
@click.option(
    "--password-file",
    type=click.File("r", encoding="utf-8"),
    help=_("A file with the password in its first line; - for standard input."),
)
@click.option(
    "--digest-hour",
    type=click.IntRange(0, 23),
    default=7,
    show_default=True,
    help=_("The hour, UTC, at which people who want one mail a day get it."),
)
@click.option(
    "--allow-plain",
    is_flag=True,
    help=_("Confirm that mail may go unencrypted to another machine, because the network in between is yours."),
)
@pass_invocation
def set_server(invocation: Invocation, /, password_file: TextIO | None, **given: Any) -> None:
    settings = invocation.open(create=True)
    from seawall.doors.delivery import server
    from seawall.doors.delivery.choosing import choose_server
    from seawall.doors.delivery.mail import retry_now

    chosen = server.MailSettings(
        host=given["host"],
        port=given["port"] or PORTS[given["security"]],
        security=server.Security(given["security"]),
        sender=given["sender"],
        username=given["username"],
        password=_password(given["username"], password_file),
        allow_plain=given["allow_plain"],
        digest_hour=given["digest_hour"],
    )
    problems = server.check(chosen)
    if problems:
        raise Trouble(problems[0], _("run the command again with that changed; `seawall mail set --help` explains it"))
    with invocation.change() as now:
        choose_server(settings, chosen, by=owner(), now=now)
    retry_now(now=system_clock())
    invocation.emit(_public(chosen))
    invocation.say(_("Mail goes through {server}. Try it: `seawall mail test ADDRESS`.").format(server=_named(chosen)))


@mail.command(help=_("Show the mail server (never its password), who gets mail, and whether mail goes out."))
@pass_invocation
def show(invocation: Invocation) -> None:
    settings = invocation.open()
    from seawall.doors.delivery.mail import mail_problem
    from seawall.doors.delivery.waiting import who_wants_mail

    found = _loaded(settings.keys_dir)
    problem = mail_problem(settings, now=system_clock())
    people = [(person.name, person.email, person.notify) for person in who_wants_mail().order_by("id")]
    told = [{"name": name, "email": email, "notify": notify} for name, email, notify in people]
    invocation.emit({"server": None if found is None else _public(found), "people": told, "problem": problem})
    if found is None:
        invocation.say(_("No mail is sent: `seawall mail set` names a server."))
        return
    line = _("Server: {server}, from {sender}, signed in: {signed_in}; digests at {hour}:00 UTC.")
    signed_in = _("yes") if found.username else _("no")
    invocation.say(
        line.format(server=_named(found), sender=found.sender, signed_in=signed_in, hour=f"{found.digest_hour:02}")
    )
    if people:
        invocation.table((_("NAME"), _("ADDRESS"), _("MAIL")), people)
    else:
        invocation.say(_("Nobody gets mail yet: an address comes with a person's account in the console."))
    invocation.say(problem or _("No mail is held up."))


@mail.command(help=_("Send a test to the address TO, now, and say what the mail server answered."))
@click.argument("to")
@pass_invocation
def test(invocation: Invocation, to: str) -> None:
    settings = invocation.open()
    from seawall.doors.delivery.mail import send_test

    now = system_clock()
    told = send_test(settings, to, now=now)
    if not told.sent:
        said = _(" The server said: {said}").format(said=told.said) if told.said else ""
        raise Trouble(f"{told.text}{said}", told.next_step or _("set the mail server again: `seawall mail set --help`"))
    invocation.emit({"sent": True, "at": rfc3339(now)})
    invocation.say(f"{told.text[:1].upper()}{told.text[1:]}. {told.next_step}")


@mail.command(help=_("Send no mail any more. The server's settings are deleted, its password with them."))
@pass_invocation
def off(invocation: Invocation) -> None:
    settings = invocation.open()
    from seawall.doors.delivery.choosing import stop_mail

    with invocation.change() as now:
        was_on = stop_mail(settings, by=owner(), now=now)
    invocation.emit({"was_on": was_on})
    invocation.say(_("No mail is sent any more.") if was_on else _("No mail was sent before either."))


def _password(username: str, file: TextIO | None) -> str:
    if file is not None:
        try:
            text = file.read(MAX_PASSWORD_FILE)
        except UnicodeDecodeError as error:
            raise Trouble(_("the password file is no text"), _("put the password into its first line")) from error
        return text.partition("\n")[0].removesuffix("\r")
    return str(click.prompt(_("Password"), hide_input=True, err=True)) if username else ""


def _loaded(keys_dir: Path) -> Any:
    from seawall.doors.delivery.server import BadMailSettings, load

    try:
        return load(keys_dir)
    except BadMailSettings as error:
        raise Trouble(str(error), _("set it again: `seawall mail set`, or end it: `seawall mail off`")) from error


def _named(chosen: Any) -> str:
    return f"{chosen.host}:{chosen.port} ({chosen.security})"


def _public(chosen: Any) -> dict[str, Any]:
    shown = ("host", "port", "security", "sender", "username", "allow_plain", "digest_hour")
    return {name: getattr(chosen, name) for name in shown}
