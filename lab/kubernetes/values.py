"""What a pod's fields mean for a container: environment, `$(NAME)`, fields of the pod itself, probes' ports, quantities.

The rule: as the kubelet reads them; pure, whatever must be asked of the API server is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Object = dict[str, Any]
Data = Callable[[str, str], Mapping[str, str] | None]
"""What a ConfigMap or a Secret (the kind, the name) holds as text; None when it is not there."""
_REFERENCE = re.compile(r"\$\$|\$\(([\w.-]+)\)")
_FIELD = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_UNITS = {
    "": 1,
    "m": 0.001,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}


class UnknownError(Exception):
    """Something that a container needs is not there."""


def environment(container: Object, pod: Object, data: Data) -> dict[str, str]:
    """All variables of a container, in order.

    Raises:
        UnknownError: a ConfigMap, a Secret or a key of it is missing and not optional.

    """
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        for kind in ("configMap", "secret"):
            if ref := source.get(f"{kind}Ref"):
                values = _all(kind, ref, data)
                found |= {source.get("prefix", "") + name: value for name, value in values.items()}
    for variable in container.get("env", ()):
        if "valueFrom" not in variable:
            found[variable["name"]] = expanded(variable.get("value", ""), found)
        elif (value := _from(variable["valueFrom"], pod, data)) is not None:
            found[variable["name"]] = value
    return found


def _all(kind: str, ref: Object, data: Data) -> Mapping[str, str]:
    values = data(kind, ref["name"])
    if values is None and not ref.get("optional"):
        raise UnknownError(f'{kind.lower()} "{ref["name"]}" not found')
    return values or {}


def _from(source: Object, pod: Object, data: Data) -> str | None:
    if ref := source.get("fieldRef"):
        return field(pod, ref["fieldPath"])
    for kind in ("configMap", "secret"):
        if ref := source.get(f"{kind}KeyRef"):
            values = _all(kind, ref, data)
            if ref["key"] not in values and not ref.get("optional"):
                raise UnknownError(
                    f"couldn't find key {ref['key']} in {kind} {pod['metadata']['namespace']}/{ref['name']}"
                )
            return values.get(ref["key"])
    return ""  # resourceFieldRef: the lab's nodes have no limits


def expanded(text: str, known: Mapping[str, str]) -> str:
    """``$(NAME)`` replaced where the name is known, ``$$`` by one."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else known.get(found[1], found[0])

    return _REFERENCE.sub(value, text)


def field(pod: Object, path: str) -> str:
    """A field of the pod, as the downward API names it."""
    if found := _FIELD.fullmatch(path):
        return str(pod["metadata"].get(found[1], {}).get(found[2], ""))
    if path in {"metadata.labels", "metadata.annotations"}:
        entries = pod["metadata"].get(path.partition(".")[2], {})
        return "\n".join(f'{name}="{value}"' for name, value in sorted(entries.items()))
    if path in {"status.podIPs", "status.hostIPs"}:
        path = path.removesuffix("s")
    value: Any = pod
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value)


def port_of(container: Object, port: int | str) -> int:
    """A port by number, or by the name that the container gives it."""
    if isinstance(port, str) and not port.isdigit():
        return next((int(one["containerPort"]) for one in container.get("ports", ()) if one.get("name") == port), 0)
    return int(port)


def quantity(text: str | float) -> float:
    """``1Gi``, ``500m``, ``2`` as a number."""
    number = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(text))
    return float(number[1]) * _UNITS.get(number[2], 1) if number else 0.0
