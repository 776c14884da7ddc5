"""`python -m lab COMMAND ...`: imports nothing but the command that was asked for, since each one starts many processes."""

from __future__ import annotations

import importlib
import sys

COMMANDS = {
    "node": ("lab.node.cli", "an EMQX cluster in one process"),
    "fleet": ("lab.fleet.cli", "MQTT devices that reconnect and record what happens to them"),
    "demo": ("lab.demo", "blue to green with live devices, and the report"),
    "kubernetes": ("lab.kubernetes.cli", "a Kubernetes cluster whose pods are processes"),
    "aws": ("lab.aws.cli", "an AWS account whose instances and balancers are processes"),
    "bench-aws": ("lab.aws.bench", "the same behind a Network Load Balancer, with the calls of AWS"),
    "bench": ("lab.bench", "the figures of the cutover, as ratios"),
    "bench-kubernetes": ("lab.kubernetes.bench", "the same on Kubernetes, with its requests, and what a preview takes"),
    "bench-migration": ("lab.bench_migration", "users and rules of a 4.4 to a 5.8, with devices: minutes and memory"),
    "bench-preview": ("lab.bench_preview", "how long a preview takes, against a bare program's"),
    "bench-strategies": ("lab.bench_strategies", "the strategies and the Operator's algorithm side by side"),
}


def main(arguments: list[str]) -> int:
    """Run the command's own typer app; 2 when there is no such command, 1 with a line where a file or an address will not do."""
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        lines = [f"  {command:16} {about}" for command, (_, about) in COMMANDS.items()]
        print("\n".join(["usage: python -m lab COMMAND [--help | OPTIONS]", *lines]))
        return 0 if name in {"-h", "--help"} else 2
    module, _ = COMMANDS[name]
    try:
        importlib.import_module(module).app(arguments[1:], prog_name=f"python -m lab {name}")
    except OSError as error:
        print(f"lab {name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
