"""One run of the engine that may be watched, interrupted and killed, alone or with everything that belongs to it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

POLL_SECONDS = 0.05
END_SECONDS = 20.0
SHOWN_LINES = 30


class NotDone(RuntimeError):  # noqa: N818 - what it says of a command
    """A command of a stage failed; the message holds what it said."""


@dataclass(frozen=True)
class Finished:
    """How a command ended, and all that it wrote."""

    code: int
    output: str

    def good(self) -> Finished:
        """Itself, or NotDone with Pulumi's diagnostics (without any, the last lines) when it failed."""
        if self.code:
            raise NotDone(f"status {self.code}:\n{diagnostics(self.output) or tail(self.output)}")
        return self


class EngineRun:
    """A `pulumi` process in a session of its own; its plugins are in that session, processes made to stay are not."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path, log: Path) -> None:
        """Take over a process that works in a directory and writes into ``log``."""
        self._process, self.directory, self.log = process, directory.resolve(), log

    @classmethod
    def start(cls, command: Sequence[str], directory: Path, environment: Mapping[str, str], log: Path) -> EngineRun:
        """Start it; both outputs go into the file."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(process, directory, log)

    @property
    def engine_pid(self) -> int:
        """The engine's own process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the engine has not ended."""
        return self._process.poll() is None

    def provider_pids(self) -> list[int]:
        """The processes that serve dynamic resources, orphans of a killed engine included."""
        return [process.pid for process in self._family() if "pulumi.dynamic" in command_of(process)]

    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, pattern: str, seconds: float) -> str:
        """The first line that the pattern is found in; TimeoutError when the run ends or the time is over without one."""
        limit = time.monotonic() + seconds
        while True:
            ended = not self.running
            for line in self.output().splitlines():
                if re.search(pattern, line):
                    return line
            if ended or time.monotonic() > limit:
                why = "the run has ended" if ended else f"{seconds:.0f} s are over"
                raise TimeoutError(f"no line with {pattern!r}, {why}; last seen:\n{tail(self.output())}")
            time.sleep(POLL_SECONDS)

    def wait(self, seconds: float) -> Finished:
        """Its end; when the time is over all that it started is ended, and TimeoutError says what was last seen."""
        try:
            return Finished(self._process.wait(seconds), self.output())
        except subprocess.TimeoutExpired:
            self.end_all()
            raise TimeoutError(f"still running after {seconds:.0f} s; last seen:\n{tail(self.output())}") from None

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Ctrl-C, or another signal, for the engine alone (its plugins are not in the terminal's group)."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def kill_engine(self) -> None:
        """SIGKILL for the engine alone."""
        self._process.kill()
        self._process.wait(END_SECONDS)

    def kill_providers(self) -> None:
        """SIGKILL for every process that serves dynamic resources."""
        for pid in self.provider_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """SIGKILL for the engine, its plugins and the program; not for what has a session of its own (nodes, balancer)."""
        self.kill_engine()
        end(self._family, signal.SIGKILL)

    def end_all(self) -> None:
        """`kill_all`, and then what works in its directory: nodes and balancer too.  For a run with which nobody goes on."""
        self.kill_all()
        end(lambda: working_in(str(self.directory)), signal.SIGTERM, signal.SIGKILL)

    def _family(self) -> list[psutil.Process]:
        # By session and not by parent, so that those whose engine is dead already are found too.
        own = self._process.pid
        return [each for each in living() if each.pid != own and session_of(each.pid) == own]


def end(find: Callable[[], list[psutil.Process]], *numbers: int) -> None:
    """Send the signals one after the other, once to each process, until ``find`` finds none; at most END_SECONDS for each.

    It is asked again and again, because what dies may have started something meanwhile. Nothing is reaped here: a
    child's exit status belongs to whoever started it.
    """
    for number in numbers:
        limit = time.monotonic() + END_SECONDS
        told: set[psutil.Process] = set()
        while (found := find()) and time.monotonic() < limit:
            for process in found:
                if process not in told:
                    told.add(process)
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.send_signal(number)
            time.sleep(POLL_SECONDS)


def living() -> list[psutil.Process]:
    """Every process that has not ended (a zombie has)."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def working_in(place: str) -> list[psutil.Process]:
    """The living processes that work in a directory, but for this one and those that it comes from."""
    own = {os.getpid(), *(each.pid for each in psutil.Process().parents())}
    return [each for each in living() if each.pid not in own and works_in(each, place)]


def works_in(process: psutil.Process, place: str) -> bool:
    """Whether a process runs in a directory, or was given a path in it."""
    try:
        places = [process.cwd(), *process.cmdline()]
    except psutil.Error:
        return False
    return any(each == place or f"{place}{os.sep}" in f"{each}{os.sep}" for each in places)


def command_of(process: psutil.Process) -> list[str]:
    """The command line, empty when the process has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def session_of(pid: int) -> int:
    """The session of a process, 0 when it has ended."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def diagnostics(output: str) -> str:
    """The block of a command's output that holds the program's lines and the errors; empty when there is none."""
    lines = output.splitlines()
    start = next((index for index, line in enumerate(lines) if line.startswith("Diagnostics")), len(lines))
    after = ("Outputs", "Resources", "Duration")
    end = next((index for index, line in enumerate(lines) if line.startswith(after)), len(lines))
    return "\n".join(line for line in lines[start + 1 : end] if line.strip())


def tail(text: str) -> str:
    """The lines that name an error, and the last ones."""
    lines = text.splitlines()
    errors = [line for line in lines[:-SHOWN_LINES] if "error:" in line]
    return "\n".join([*errors[-SHOWN_LINES:], *lines[-SHOWN_LINES:]])
