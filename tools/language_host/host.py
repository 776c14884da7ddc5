"""`pulumi-language-python`: serves pulumirpc.LanguageRuntime, so that an engine built from source can run Python programs.

The rule of a plugin: the first line of output is the port; it ends at SIGINT and SIGTERM, takes every program it
started with it, and does not outlive the engine (which waits 5 s for each plugin that stays).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, TextIO

import grpc  # type: ignore[import-untyped]  # no stubs
from google.protobuf import empty_pb2, json_format  # type: ignore[import-untyped]  # no stubs
from programs import ALREADY_TOLD, Programs
from protocol import CHANNEL_OPTIONS, messages, plugins, services

HERE = Path(__file__).resolve().parent
PARENT_SECONDS = 0.5
THREADS = 16


class PythonHost(services.LanguageRuntimeServicer):  # type: ignore[misc]  # a script finds what lies beside it, mypy does not
    """What the engine asks of a language; each call that runs a program blocks until that program has ended."""

    def __init__(self, engine: str, programs: Programs) -> None:
        self.engine, self.programs = engine, programs

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002  gRPC names it and calls it
        """Take the engine's address, which the command line has told already."""
        self.engine = request.engine_address or self.engine
        return messages.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002  gRPC names it and calls it
        """The SDK's version."""
        return plugins.PluginInfo(version=importlib.metadata.version("pulumi"))

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002  gRPC names it and calls it
        """None: every resource of this language host's programs is a dynamic one, or finds its plugin on PATH."""
        return messages.GetRequiredPluginsResponse()

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002  gRPC names it and calls it
        """None, as for plugins."""
        return messages.GetRequiredPackagesResponse()

    def About(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002  gRPC names it and calls it
        """Which python runs the program, for `pulumi about`."""
        python = interpreter(request.info)
        answer = subprocess.run([python, "-V"], capture_output=True, text=True, timeout=60, check=False)
        return messages.AboutResponse(executable=python, version=answer.stdout.removeprefix("Python ").strip())

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002  gRPC names it and calls it
        """The distributions that are installed for the program, for `pulumi about`."""
        code = (
            "import importlib.metadata as m, json;"
            "print(json.dumps(sorted({(d.metadata['Name'], d.version) for d in m.distributions()})))"
        )
        command = [interpreter(request.info), "-c", code]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        found = [messages.DependencyInfo(name=name, version=version) for name, version in json.loads(answer.stdout)]
        return messages.GetProgramDependenciesResponse(dependencies=found)

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC names it
        """Run the program to its end; its output appears as the engine's."""
        asked = {
            "program": str(Path(request.info.program_directory, request.info.entry_point)),
            "args": list(request.args),
            "settings": {
                "project": request.project,
                "stack": request.stack,
                "organization": request.organization or "organization",
                "monitor": request.monitor_address,
                "engine": self.engine,
                "parallel": request.parallel,
                "dry_run": request.dryRun,
                "root_directory": request.info.root_directory,
            },
        }
        environment = {
            **os.environ,
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        command = [interpreter(request.info), "-u", str(HERE / "runner.py")]
        with self.programs.start(command, request.pwd, environment, stdin=subprocess.PIPE) as process:
            context.add_callback(lambda: self.programs.end(process))
            process.stdin.write(json.dumps(asked).encode())
            process.stdin.close()
            for pump in (pump_lines(process.stdout, sys.stdout), pump_lines(process.stderr, sys.stderr)):
                pump.join()
            code = process.wait()
        if code in {0, ALREADY_TOLD, -signal.SIGTERM}:
            return messages.RunResponse(bail=code != 0)
        return messages.RunResponse(error=f"Program exited with non-zero exit code: {code}")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802  gRPC names it
        """Run a policy pack and stream what it writes, then its exit code."""
        if request.kind != "analyzer":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"this language host runs policy packs, not {request.kind}s")
        directory = request.info.program_directory
        command = [interpreter(request.info), "-u", str(HERE / "guard.py"), "pulumi.policy", *request.args, directory]
        environment = dict(entry.split("=", 1) for entry in request.env)
        with self.programs.start(command, directory, environment) as process:
            context.add_callback(lambda: self.programs.end(process))
            yield from streamed(process)
            yield messages.RunPluginResponse(exitcode=process.wait())

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002  gRPC names it and calls it
        """End the programs that run: the engine has told the person why. SIGINT would end them with a traceback."""
        self.programs.end_all()
        return empty_pb2.Empty()


def interpreter(info: Any) -> str:
    """The python of the project: of its option `virtualenv`, relative to the project, else the one that runs this."""
    directory = json_format.MessageToDict(info.options).get("virtualenv") or os.environ.get("VIRTUAL_ENV")
    python = Path(info.root_directory, directory, "bin", "python") if directory else Path(sys.executable)
    if not python.exists():
        raise FileNotFoundError(
            f"{python} does not exist: the project's option virtualenv names no virtual environment"
        )
    return str(python)


def pump_lines(source: Any, target: TextIO) -> threading.Thread:
    """Copy a program's output as it comes."""

    def pump() -> None:
        for line in source:
            target.buffer.write(line)
            target.flush()

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()
    return thread


def streamed(process: Any) -> Iterator[Any]:
    """Both outputs of a process as messages, in the order in which they come, until both have ended."""
    arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def read(name: str) -> None:
        while data := getattr(process, name).read1():
            arrived.put(messages.RunPluginResponse(**{name: data}))
        arrived.put(None)

    for name in ("stdout", "stderr"):
        threading.Thread(target=read, args=(name,), daemon=True).start()
    ended = 0
    while ended < 2:
        message = arrived.get()
        if message is None:
            ended += 1
        else:
            yield message


def main() -> int:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", help="the engine's address", nargs="?", default="")
    options, _ = parser.parse_known_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    parent, programs = os.getppid(), Programs()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=THREADS), options=CHANNEL_OPTIONS)
    services.add_LanguageRuntimeServicer_to_server(PythonHost(options.engine, programs), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    while not ended.wait(PARENT_SECONDS) and os.getppid() == parent:
        pass
    server.stop(grace=None)
    programs.end_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
