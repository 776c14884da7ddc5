"""One set of variables written in every way in which people write it, by the rules of whoever reads it; None where it cannot be written so."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable, Mapping

import yaml

Values = Mapping[str, str]
Writer = Callable[[Values], str | None]


def _lines(values: Values) -> bool:
    return not any("\n" in value for value in values.values())


def dotenv(values: Values) -> str:
    """In single quotes, where only these and the backslash are more than letters."""
    quoted = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in values.items()}
    return "".join(f"{name}='{value}'\n" for name, value in quoted.items())


def compose(environment: object) -> str:
    service = {"image": "emqx/emqx:4.4.19", "environment": environment}
    return yaml.safe_dump({"services": {"broker": service}}, allow_unicode=True, default_style='"')


def compose_map(values: Values) -> str:
    return compose({name: value.replace("$", "$$") for name, value in values.items()})


def compose_list(values: Values) -> str:
    return compose([f"{name}={value}".replace("$", "$$") for name, value in values.items()])


def compose_flow(values: Values) -> str:
    environment = {name: value.replace("$", "$$") for name, value in values.items()}
    return "services: {broker: {environment: " + json.dumps(environment, ensure_ascii=False) + "}}\n"


def manifest(values: Values) -> str:
    """A dollar before a bracket is doubled: ``$(X)`` would be another variable."""
    env = [{"name": name, "value": value.replace("$(", "$$(")} for name, value in values.items()]
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "broker", "env": env}]}}
    return yaml.safe_dump(pod, allow_unicode=True, default_style='"')


def config_map(values: Values) -> str:
    """``envFrom`` with the ConfigMap behind it in the same file."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"containers": [{"name": "b", "envFrom": [{"configMapRef": {"name": "s"}}]}]},
    }
    given = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": dict(values)}
    return yaml.safe_dump_all([pod, given], allow_unicode=True, default_style='"')


def secret(values: Values) -> str:
    """A Secret by itself, as ``kubectl get -o json`` shows it."""
    data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data})


def task_definition(values: Values) -> str:
    environment = [{"name": name, "value": value} for name, value in values.items()]
    return json.dumps(
        {"family": "broker", "containerDefinitions": [{"name": "broker", "environment": environment}]}, indent=1
    )


def helm(values: Values) -> str | None:
    if any("{{" in value or "{%" in value for value in values.values()):
        return None
    return yaml.safe_dump({"replicaCount": 3, "emqxConfig": dict(values)}, allow_unicode=True, default_style='"')


def helm_dotted(values: Values) -> str | None:
    if any("{{" in value for value in values.values()):
        return None
    config = {name.removeprefix("EMQX_").lower().replace("__", "."): value for name, value in values.items()}
    return yaml.safe_dump({"emqx": {"emqxConfig": config}}, allow_unicode=True, default_style='"')


def operator(values: Values) -> str:
    config = {name.removeprefix("EMQX_").lower().replace("__", "."): value for name, value in values.items()}
    spec = {"template": {"spec": {"emqxContainer": {"emqxConfig": config}}}}
    return yaml.safe_dump(
        {"apiVersion": "apps.emqx.io/v1beta4", "kind": "EmqxBroker", "spec": spec}, allow_unicode=True
    )


def dockerfile(values: Values) -> str | None:
    if not _lines(values):
        return None
    quoted = {name: re.sub(r'([\\"$])', r"\\\1", value) for name, value in values.items()}
    return "FROM emqx/emqx:4.4.19\n" + "".join(f'ENV {name}="{value}"\n' for name, value in quoted.items())


def script(values: Values) -> str:
    flags = " \\\n  ".join(f"-e {name}={shlex.quote(value)}" for name, value in values.items())
    return f"#!/bin/sh\ndocker run -d \\\n  {flags} \\\n  emqx/emqx:4.4.19\n"


def exports(values: Values) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def makefile(values: Values) -> str | None:
    if not _lines(values):
        return None
    flags = " ".join(f"--env {name}={shlex.quote(value)}".replace("$", "$$") for name, value in values.items())
    return f"run:\n\t@docker run -d {flags} emqx/emqx:4.4.19\n"


def unit(values: Values) -> str | None:
    if not _lines(values):
        return None
    quoted = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") for name, value in values.items()
    }
    return "[Service]\n" + "".join(f'Environment="{name}={value}"\n' for name, value in quoted.items())


WRITERS: Mapping[str, Writer] = {
    "broker.env": dotenv,
    "docker-compose.yml": compose_map,
    "compose.yaml": compose_list,
    "flow.yml": compose_flow,
    "pod.yaml": manifest,
    "mapped.yaml": config_map,
    "secret.json": secret,
    "task-definition.json": task_definition,
    "values.yaml": helm,
    "values-parent.yaml": helm_dotted,
    "emqxbroker.yaml": operator,
    "Dockerfile": dockerfile,
    "run.sh": script,
    "exports.sh": exports,
    "Makefile": makefile,
    "override.conf": unit,
}
