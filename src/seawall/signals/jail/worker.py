"""The inside of the jail: `python -I -m seawall.signals.jail.worker DESCRIPTOR`, started by the pool only.

Imports what it will need, takes on its limits, says that it is ready, and answers one file after the other until the
other end closes. It holds no secret, no open file and no environment beyond the locale.
"""

import contextlib
import gc
import math
import os
import resource
import signal
import sys
from pathlib import Path

from seawall.signals.jail.boundary import MAX_CODE, MAX_PAYLOAD, MAX_TEXT, Jailed, JailRefused, load, run
from seawall.signals.jail.channel import Channel, ChannelEnded
from seawall.signals.jail.messages import EXIT_MEMORY, Answer, Begun, Ready, Request, Setup

#: The channel, three null devices, and a few that libraries keep open. Enough to work, too few to gather things.
_OPEN_FILES = 16

#: Seconds of processor time after which a worker is replaced: what leaks slowly never grows old.
_PROCESSOR_LIFETIME = 1_800

#: Bytes that must be free once everything is imported; a worker without them would die of every picture.
_ROOM_TO_WORK = 32 * 1024 * 1024


def main() -> int:
    channel = Channel.of_descriptor(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes the channel when it stops.
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    _offer_itself_to_the_oom_killer()
    try:
        setup, _ = channel.receive(Setup)
        try:
            sys.path.extend(setup.import_paths)
            functions = {name: load(name) for name in setup.functions}
            _take_on_limits(setup.memory)
        except Exception as error:  # noqa: BLE001 - whatever it is, the person who starts the server has to read it
            channel.send(Ready(problem=f"{type(error).__name__}: {error}"[:MAX_TEXT]))
            return 1
        gc.freeze()
        channel.send(Ready())
        while _answer_one(channel, functions):
            pass
    except ChannelEnded:
        return 0
    except MemoryError:
        return EXIT_MEMORY
    return 0


def _offer_itself_to_the_oom_killer() -> None:
    """When the whole machine runs out of memory, a worker is to die before the server. Linux only, never essential."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _take_on_limits(memory: int) -> None:
    """Limits that this process cannot lift again; the processor's is set anew for each file."""
    _lower(resource.RLIMIT_AS, memory)
    try:
        bytearray(_ROOM_TO_WORK)
    except MemoryError as error:
        raise MemoryError(f"{memory} bytes are too few: the libraries alone take nearly as much") from error
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
    # Decoders run in one thread, so nobody in here ever needs another process or thread.
    _lower(resource.RLIMIT_NPROC, 0)
    _lower(resource.RLIMIT_CPU, 2 * _PROCESSOR_LIFETIME)


def _lower(limit: int, wanted: int) -> None:
    """Sets a limit for good. Where the machine's owner has set a lower one, that stays: nobody may raise it."""
    _, present = resource.getrlimit(limit)
    lowest = wanted if present == resource.RLIM_INFINITY else min(wanted, present)
    resource.setrlimit(limit, (lowest, lowest))


def _answer_one(channel: Channel, functions: dict[str, Jailed]) -> bool:
    """Answers one request; False when this worker must be replaced, which the answer says as well."""
    request, payload = channel.receive(Request, max_body=MAX_PAYLOAD)
    _limit_processor(request.deadline)
    channel.send(Begun())
    body = b""
    try:
        body = run(functions[request.function], payload)
        answer = Answer(outcome="done", leaving=_processor_seconds() > _PROCESSOR_LIFETIME)
    except JailRefused as refusal:
        answer = Answer(outcome="refused", code=refusal.code[:MAX_CODE], text=refusal.text[:MAX_TEXT])
    except MemoryError:
        answer = Answer(outcome="memory", leaving=True)
    except Exception as error:  # noqa: BLE001 - nothing a file provokes may pass for an answer
        # The message may quote the file, so only the kind of error leaves the jail.
        answer = Answer(outcome="raised", text=type(error).__name__[:MAX_TEXT], leaving=True)
    del payload
    channel.send(answer, body)
    return not answer.leaving


def _limit_processor(deadline: float) -> None:
    """Kills this process (SIGXCPU) when one file takes more processor time than its deadline, even across threads."""
    _, last = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(_processor_seconds() + deadline) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (min(soft, last), last))


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    # Without the interpreter's own tidying up: it would only touch what the last file may have damaged.
    os._exit(main())
