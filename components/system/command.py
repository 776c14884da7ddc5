"""A command of the stack's owner: a list of arguments, no shell; the rule: neither arguments nor output are ever shown, and it is ended with all that it started."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from components.system.environment import kept
from components.system.files import PRIVATE_FILE

MOST_SHOWN = 200
WAYS = ("SSH_AUTH_SOCK", "KUBECONFIG")
"""A command may well be ``ssh``, whose keys an agent has, or ``kubectl``, which is told where its file is."""
_LOOK_SECONDS = 0.2


class CommandFailed(Exception):  # noqa: N818 - what it says is for the caller's own error
    """It could not be started, ended with another status than 0, or took too long; the text says which."""


def filled(arguments: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """The arguments with each ``{word}`` that is known replaced; an argument stays one, whatever stands in it."""
    done = list(arguments)
    for word, value in known.items():
        done = [one.replace(f"{{{word}}}", value) for one in done]
    return done


async def output_of(
    arguments: Sequence[str],
    *,
    limit_seconds: float,
    environment: Mapping[str, str] | None = None,
    given: Path | None = None,
    into: Path | None = None,
    interrupted: Callable[[], None] = lambda: None,
) -> bytes:
    """What the command writes to its standard output.

    Args:
        arguments: the program and its arguments.
        limit_seconds: after so long it is ended.
        environment: what it gets beside the named part of ours (``system.environment``); secrets may stand there.
        given: the file that it reads as its standard input.
        into: a new file that its output goes to; nothing is answered then.
        interrupted: raises when it must end.

    Raises:
        CommandFailed: with its status and the end of what it wrote to standard error.

    """
    with ExitStack() as files:
        reads = asyncio.subprocess.DEVNULL if given is None else files.enter_context(given.open("rb"))
        writes = asyncio.subprocess.PIPE if into is None else files.enter_context(_new(into))
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=reads,
                stdout=writes,
                stderr=asyncio.subprocess.PIPE,
                env={**kept(os.environ, *WAYS), **(environment or {})},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise CommandFailed(f"{arguments[0]} cannot be started ({type(error).__name__})") from None
        try:
            out, wrong = await _ended(process, arguments[0], limit_seconds, interrupted)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
    if process.returncode != 0:
        said = " ".join(wrong.decode("utf-8", "replace").split())[-MOST_SHOWN:]
        raise CommandFailed(f"{arguments[0]} ended with status {process.returncode}: {said or 'without a word'}")
    return out or b""


def _new(path: Path) -> BinaryIO:
    """For its owner only, from its first byte."""
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, PRIVATE_FILE))


async def _ended(
    process: asyncio.subprocess.Process, name: str, limit_seconds: float, interrupted: Callable[[], None]
) -> tuple[bytes, bytes]:
    """Its output once it has ended; looked at often enough that an interruption is heard."""
    talking = asyncio.ensure_future(process.communicate())
    end = asyncio.get_running_loop().time() + limit_seconds
    try:
        while not talking.done():
            await asyncio.wait({talking}, timeout=_LOOK_SECONDS)
            interrupted()
            if not talking.done() and asyncio.get_running_loop().time() >= end:
                raise CommandFailed(f"{name} has not ended after {limit_seconds:g} s")
        return talking.result()
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
