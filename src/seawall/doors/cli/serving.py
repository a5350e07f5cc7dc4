"""`seawall serve`: everything in one process."""

import errno
import os
import socket
from gettext import gettext as _
from typing import Any

import click

from seawall.doors.cli.invocation import Command, Function, Invocation, everywhere, pass_invocation
from seawall.doors.cli.trouble import Trouble
from seawall.settings import Settings

#: What each setting is, as a flag of `serve`. The directory and the database are options of every command.
FLAGS: dict[str, tuple[type, str]] = {
    "host": (str, _("Address to listen on. [127.0.0.1: this machine only]")),
    "port": (int, _("Port to listen on. [8080]")),
    "public_url": (str, _("The address people reach this Seawall at, for links.")),
    "trusted_proxies": (str, _("Addresses or networks of reverse proxies that name the client, with commas. [none]")),
    "max_body_bytes": (int, _("Largest request body, in bytes. [67108864]")),
    "decoders": (int, _("Decoder processes. [0: one for each core]")),
    "decoder_deadline": (float, _("Seconds a picture may take to open before it counts as not screened. [10]")),
    "decoder_memory_bytes": (int, _("Address space of one decoder process, in bytes. [2147483648]")),
    "keep_unmatched_days": (int, _("Days that screenings without a match are kept. [30]")),
    "keep_matched_days": (int, _("Days that screenings with a match or a hold are kept. [180]")),
    "queue_limit": (int, _("Requests that may wait for a decoder; more are answered 429. [256]")),
    "log_format": (str, _("text or json. [text]")),
}


def setting_flags(function: Function) -> Function:
    """Every setting as a flag. Each can also be set as SEAWALL_<NAME> or in seawall.toml."""
    for name, (kind, about) in reversed(FLAGS.items()):
        function = click.option(f"--{name.replace('_', '-')}", name, type=kind, help=about)(function)
    return function


@click.command(
    cls=Command,
    short_help=_("Run everything in this process."),
    help=_(
        "Run screening API, jobs and ledger in this process, until Ctrl-C. Creates an empty data directory. Each "
        "option can also be given as SEAWALL_<NAME> or as a line of seawall.toml in the data directory: the flag wins."
    ),
)
@setting_flags
@pass_invocation
def serve(invocation: Invocation, /, **flags: Any) -> None:
    invocation.flags.update({name: value for name, value in flags.items() if value is not None})
    settings = invocation.settings
    invocation.require_welcoming()
    refuse_second(settings)
    require_free_port(settings)
    start(settings)


def start(settings: Settings) -> None:
    """Serve until a signal ends it."""
    from seawall.app import bind

    # Modules with tables can only be imported once Django knows its database.
    bind(settings)
    from seawall.doors.web import serve as serve_all

    serve_all(settings)


def refuse_second(settings: Settings) -> None:
    """Trouble when another process serves this data directory. Asked before the port, which it holds as well."""
    from seawall.app import DataDirectoryBusy, serve_lock

    if not settings.data_dir.is_dir():
        return
    try:
        # A command that just records a change holds the lock as well, for a moment; this waits for it.
        with serve_lock(settings):
            pass
    except DataDirectoryBusy as busy:
        raise Trouble(
            _("{place} is already served by process {holder}").format(place=settings.data_dir, holder=busy.holder),
            _("use that one, stop it, or give this one another --data-dir and --port"),
        ) from busy


def require_free_port(settings: Settings) -> None:
    """Trouble when the address cannot be listened on: said before anything is started, and in plain words."""
    if settings.port == 0:
        return
    try:
        places = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise Trouble(
            _("{host!r} is no address of this machine: {reason}").format(host=settings.host, reason=error.strerror),
            _("leave --host out for this machine only, or use 0.0.0.0 for every network"),
        ) from error
    for family, kind, protocol, _name, address in places:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise _not_ours(settings, error) from error


def _not_ours(settings: Settings, error: OSError) -> Trouble:
    if error.errno == errno.EADDRINUSE:
        return Trouble(
            _("port {port} is taken by another program").format(port=settings.port),
            _("choose another one, such as --port {port}, or stop that program").format(port=settings.port + 1),
        )
    if error.errno == errno.EACCES:
        return Trouble(
            _("this user may not listen on port {port}").format(port=settings.port),
            _("choose a port above 1023 with --port, such as 8080"),
        )
    return Trouble(
        _("cannot listen on {host} port {port}: {reason}").format(
            host=settings.host, port=settings.port, reason=os.strerror(error.errno or 0)
        ),
        _("give an address of this machine with --host"),
    )


def flags_of_everywhere() -> set[str]:
    """The settings that every command can be given."""
    return {option.name for option in everywhere() if option.name in Settings.__struct_fields__}
