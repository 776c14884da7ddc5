"""The declared configuration of a 4.x held against the little that its API shows: which plugins are on, and where it listens.

The rule kept here: what differs is named by its setting, so that an old copy, or that of another cluster, is found before it is converted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.migration.facts import Facts
from components.migration.hop_44_5.plugins import find_file, named
from components.migration.hop_44_5.settings import Settings
from components.migration.manifest import Ledger
from components.migration.surroundings import source_of
from components.migration.words import Shown
from components.system.address import port_of

LISTENER = r"listener\.(tcp|ssl|ws|wss)\.(\w+)"
MAIN_FILE = "emqx.conf"


def differing(facts: Facts, shown: Shown) -> list[str]:
    """Each setting that the files say otherwise, as a sentence; what no given file says is not among them."""
    return [*_plugins(facts, shown.plugins), *_listeners(facts, shown.listeners)]


def _plugins(facts: Facts, active: Mapping[str, bool]) -> Iterator[str]:
    source = source_of(facts)
    said = {fact.name: fact.enabled for fact in named(source, "loaded_plugins")}
    whole = find_file(source, "loaded_plugins") is not None
    for name, is_on in active.items():
        declared = said.get(name, False if whole else None)
        if declared is not None and declared is not is_on:
            yield f"loaded_plugins says {name} is {_on(declared)}, and it is {_on(is_on)}"
    for name, is_on in said.items():
        if is_on and name not in active:
            yield f"loaded_plugins says {name} is on, and the nodes have no such plugin"


def _listeners(facts: Facts, open_: Mapping[str, frozenset[int]]) -> Iterator[str]:
    settings = Settings(source_of(facts), Ledger())
    declared = [(found.key, match[1], _port(found.value)) for found, match in settings.matching(LISTENER)]
    if not declared or not open_:
        return
    for key, kind, port in declared:
        if port not in open_.get(kind, ()):
            listens = ", ".join(map(str, sorted(open_.get(kind, ())))) or "nowhere"
            yield f"{key} is {port}, and the nodes listen for {kind} on {listens}"
    for kind, ports in open_.items():
        for port in sorted(ports - {one for _, other, one in declared if other == kind}):
            yield f"no listener.{kind} is {port}, and the nodes listen there"


def _port(value: str) -> int | None:
    try:
        return port_of(value)
    except ValueError:
        return None


def _on(value: bool) -> str:
    return "on" if value else "off"
