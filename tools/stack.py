"""What the `make` targets on one stack do (`python -m tools.stack preview --stack dev`): the same on a laptop and in a workflow.

The rule: Pulumi's own output goes through as it comes; where it ends badly for a reason that a person can settle, the last line says which
and what to do.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path.cwd()
STACKS, PLANS = ROOT / "stacks", ROOT / "plan"
PULUMI = Path(sys.prefix) / "bin" / "pulumi"
COMMON = ("--non-interactive", "--color", "never")
EVERYWHERE = ("components/", "policies/", "__main__.py", "Pulumi.yaml", "requirements.lock")
"""A change of these concerns every stack."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"currently locked by|the stack is currently locked|Another update is currently in progress|\[409\]",
        "is locked by another update",
        "wait for it; if it was killed: `make unlock STACK={stack}`, and run this again: it goes on where that one stopped",
    ),
    (
        r"no stack named|stack '[^']*' not found",
        "does not exist in this backend",
        "`make new-stack NAME={stack} FROM=dev`, or name one of: pulumi stack ls",
    ),
    (
        r"incorrect passphrase",
        "was made with another passphrase",
        "set PULUMI_CONFIG_PASSPHRASE to the one with which its secrets were set",
    ),
    (
        r"passphrase must be set|PULUMI_CONFIG_PASSPHRASE",
        "has secrets and no passphrase is given",
        "set PULUMI_CONFIG_PASSPHRASE, or PULUMI_CONFIG_PASSPHRASE_FILE",
    ),
    (
        r"no credentials are configured",
        "has no credentials of a colour",
        "pulumi config set --secret --path emqx:credentials.COLOUR.apiSecret --stack {stack} (and .apiKey)",
    ),
    (
        r"the lease of this run",
        "was taken over by a newer update",
        "let that one finish; this one has done nothing more",
    ),
    (
        r"no Pulumi\.yaml project file found|PULUMI_ACCESS_TOKEN must be set",
        "cannot be reached",
        "log in to the backend first: `pulumi login`, or set PULUMI_BACKEND_URL",
    ),
)
"""What Pulumi, or the update, says; what that means of the stack; what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it; the status is Pulumi's."""
    parser = argparse.ArgumentParser(prog="python -m tools.stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("preview", "up", "drift", "unlock"):
        commands.add_parser(name).add_argument("--stack", required=True)
    changed = commands.add_parser("changed")
    changed.add_argument("--base", required=True)
    new = commands.add_parser("new")
    new.add_argument("--name", required=True)
    new.add_argument("--from", dest="source", required=True)
    given = parser.parse_args(arguments)
    if given.command == "changed":
        sys.stdout.write(f"stacks={json.dumps(changed_stacks(_changed_files(given.base)))}\n")
        return 0
    if given.command == "new":
        return new_stack(given.name, given.source)
    return {"preview": preview, "up": up, "drift": drift, "unlock": unlock}[given.command](given.stack)


def preview(stack: str) -> int:
    """The preview with the policies, and the plan beside it (``plan/STACK.md``)."""
    return pulumi(stack, "preview", "--policy-pack", "policies")


def up(stack: str) -> int:
    """The update, with the policies; its plan is written too.

    Its preview comes first: rules on the whole stack are asked at the end, which in an update is too late.
    """
    return pulumi(stack, "up", "--yes", "--policy-pack", "policies")


def drift(stack: str) -> int:
    """Whether the world is as the last update left it, and the stack file as it was then."""
    return pulumi(stack, "preview", "--refresh", "--expect-no-changes")


def unlock(stack: str) -> int:
    """Take away the lock that a killed update has left; the ledger's lease keeps it from acting if it lives after all."""
    return pulumi(stack, "cancel", "--yes")


def pulumi(stack: str, *command: str) -> int:
    """Run it, show what it says as it comes, and end with one line about what a person can settle."""
    PLANS.mkdir(exist_ok=True)
    environment = {**os.environ, "EMQX_PLAN_FILE": str(PLANS / f"{stack}.md")}
    arguments = [str(PULUMI), *command, "--stack", stack, *COMMON]
    said: list[str] = []
    with subprocess.Popen(
        arguments, env=environment, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            for line in process.stdout or ():
                said.append(line)
                sys.stdout.write(line)
                sys.stdout.flush()
        except KeyboardInterrupt:
            # the engine has heard it too and ends what it does; what it says until then is still shown
            sys.stdout.write("".join(process.stdout or ()))
    if process.returncode:
        told = settled(stack, "".join(said))
        if told:
            sys.stderr.write(f"{told}\n")
    return process.returncode


def settled(stack: str, output: str) -> str:
    """One line for a failure that a person can settle; empty for every other."""
    for pattern, what, todo in KNOWN:
        if re.search(pattern, output):
            return f"stack {stack} {what}: {todo.format(stack=stack)}"
    return ""


def changed_stacks(files: Sequence[str]) -> list[str]:
    """The stacks whose file is among these; all of them where the program or the policies are."""
    known = sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in STACKS.glob("Pulumi.*.yaml"))
    known = [name for name in known if not name.startswith("example")]
    if any(file.startswith(EVERYWHERE) for file in files):
        return known
    return [name for name in known if f"stacks/Pulumi.{name}.yaml" in files]


def _changed_files(base: str) -> list[str]:
    answer = subprocess.run(
        ["git", "diff", "--name-only", f"{base}...HEAD"], text=True, capture_output=True, check=True, timeout=60
    )
    return answer.stdout.splitlines()


def new_stack(name: str, source: str) -> int:
    """Copy an environment under another name: its settings without its secrets, which are made anew where they are ours to make."""
    place, pattern = STACKS / f"Pulumi.{name}.yaml", STACKS / f"Pulumi.{source}.yaml"
    if not NAME.fullmatch(name):
        return _refused(f"{name!r} is no name for a stack: letters, digits, dots, dashes")
    if place.exists():
        return _refused(f"{place.relative_to(ROOT)} exists: choose another NAME, or remove it")
    if not pattern.exists():
        return _refused(f"{pattern.relative_to(ROOT)} does not exist: choose another FROM")
    document = yaml.safe_load(pattern.read_text(encoding="utf-8"))
    provider = document.get("secretsprovider")
    config = copied(document.get("config") or {}, name)
    place.write_text(
        "# yaml-language-server: $schema=./schema.json\n" + yaml.safe_dump({"config": config}, sort_keys=False),
        encoding="utf-8",
    )
    secure = ["--secrets-provider", str(provider)] if provider else []
    made = subprocess.run([str(PULUMI), "stack", "init", name, *secure, *COMMON], check=False)
    if made.returncode:
        place.unlink(missing_ok=True)
        return made.returncode
    for path in fresh_secrets(config):
        command = [str(PULUMI), "config", "set", "--secret", "--path", path, "--stack", name, "--non-interactive"]
        subprocess.run(command, input=secrets.token_urlsafe(24), text=True, check=True)
    for path in theirs(config):
        sys.stdout.write(f"to be set: pulumi config set --secret --path {path} --stack {name}\n")
    return 0


def copied(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The settings of another environment without secrets, and without the directory that only one stack may work in."""
    left = {"emqx:credentials", "emqx:certificates", "emqx:workDirectory"}
    found = {key: value for key, value in config.items() if key not in left and not _is_secret(value)}
    return {**found, "emqx:environment": name}


def _is_secret(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"secure"}


def fresh_secrets(config: Mapping[str, Any]) -> list[str]:
    """What is made at random: keys and passwords of clusters that are ours to make."""
    colours = [colour for colour, one in config["emqx:clusters"].items() if one.get("target") != "external"]
    return [f"emqx:credentials.{colour}.{word}" for colour in sorted(colours) for word in ("apiKey", "apiSecret")]


def theirs(config: Mapping[str, Any]) -> list[str]:
    """What only a person can set: keys of clusters that exist already, and named certificates."""
    colours = [colour for colour, one in config["emqx:clusters"].items() if one.get("target") == "external"]
    listeners = (config.get("emqx:balancer") or {}).get("listeners") or ()
    named = {str(name) for one in listeners if (name := (one.get("certificate") or {}).get("named"))}
    keys = [f"emqx:credentials.{colour}.{word}" for colour in sorted(colours) for word in ("apiKey", "apiSecret")]
    return [*keys, *(f"emqx:certificates.{name}" for name in sorted(named))]


def _refused(why: str) -> int:
    sys.stderr.write(f"new-stack: {why}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
