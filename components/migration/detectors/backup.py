"""Detectors of export, archive and import: rules BK-01 to BK-08 and our own BK-20 to BK-22, for every move between two clusters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components.migration.archive import KEY_REFUSED_TABLES, Archive, import_refused
from components.migration.detectors.base import CLEAR, PLAN, Verdicts, found, in_cluster, packed, planned
from components.migration.facts import Facts, Plan
from components.migration.rules import Detector, Finding, Hit, Place, Question

CERTIFICATES = frozenset({"cacertfile", "certfile", "keyfile", "dhfile"})
DATA_DIRECTORIES = ("${EMQX_DATA_DIR}", "data/", "/opt/emqx/data/", "/var/lib/emqx/")
"""Where EMQX keeps what was uploaded: in a tree of files, in the image, in packages."""
ARCHIVE = "give the archive that is to be imported"


def two_cluster(detector: Detector) -> Detector:
    """Only where data is exported and imported; an archive that was given says so too."""

    def detect(facts: Facts) -> Finding:
        if facts.plan.strategy in {"rolling", "same-cluster"} and facts.archive is None:
            return CLEAR
        return detector(facts)

    return detect


def _version(facts: Facts) -> Finding:
    if facts.archive is not None:
        refused = import_refused(facts.archive.version, facts.plan.target)
        return Hit((Place(facts.archive.file, item=f"META.hocon {facts.archive.version}"),)) if refused else CLEAR
    # What comes out of 4.x is stamped with the target's own version by the conversion.
    refused = facts.plan.source.major > 4 and import_refused(facts.plan.source, facts.plan.target)
    return Hit((Place(PLAN, item=f"{facts.plan.source} -> {facts.plan.target}"),)) if refused else CLEAR


def _key_caller(facts: Facts) -> Finding:
    tables = sorted(KEY_REFUSED_TABLES.keys() & facts.archive.tables.keys()) if facts.archive else None
    if tables == [] or facts.plan.caller in {"token", "command-line"}:
        return CLEAR
    if facts.plan.caller is None:
        return Question(
            "is the archive exported and imported with an API key, a dashboard token, or on the command line?"
        )
    return Hit(
        tuple(Place(facts.archive.file, item=f"mnesia/{table}") for table in tables or ())
        if facts.archive
        else (Place(PLAN, item="API key"),)
    )


def _mixed_import(plan: Plan) -> bool | None:
    mixed = in_cluster(plan)
    if not mixed:
        return mixed
    return None if plan.steps is None else "import" in plan.steps


def _edition(facts: Facts) -> Finding:
    edition = facts.archive.edition if facts.archive else facts.plan.edition_from
    name = facts.archive.file if facts.archive else PLAN
    return Hit((Place(name, item="edition ee"),)) if (edition, facts.plan.edition_to) == ("ee", "ce") else CLEAR


def _retained(facts: Facts) -> Finding:
    count = facts.archive.retained if facts.archive else facts.live.retained_messages
    if count is None:
        return Question("how many retained messages come along?")
    place = Place(facts.archive.file if facts.archive else "the running cluster", item="retained messages")
    return CLEAR if count <= 0 or facts.live.green_reindexed else Hit((place,))


def _left_behind(facts: Facts) -> Finding:
    """Certificates that lie outside the data directory, and what nodes hold besides; who has compared the nodes has seen both."""
    if facts.live.node_settings_equal:
        return CLEAR
    outside = [
        Place(file.file, file.line(path), path) for file in facts.hocons or () for path in _certificates(file.tree, "")
    ]
    if outside:
        return Hit(tuple(outside))
    if facts.live.node_settings_equal is None:
        return Question("have the new nodes the old ones' emqx.conf, environment, certificates and plugins?")
    return Hit((Place("the running cluster", item="settings of the nodes"),))


def _certificates(tree: Any, path: str) -> Iterator[str]:
    """Paths of settings that name a file which no archive carries; a PEM text, and what was uploaded, are carried."""
    rows = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    for name, value in rows:
        below = f"{path}.{name}" if path else str(name)
        if name in CERTIFICATES and isinstance(value, str):
            if value and "-----BEGIN" not in value and not value.startswith(DATA_DIRECTORIES):
                yield below
        else:
            yield from _certificates(value, below)


def _overwritten_keys(facts: Facts) -> Finding:
    carries = None if facts.archive is None else "emqx_app" in facts.archive.tables
    if carries is False or facts.plan.operator is False:
        return CLEAR
    if carries is None or facts.plan.operator is None:
        return Question("does the EMQX Operator manage the new cluster, and does the archive carry API keys?")
    return found([Place(facts.archive.file if facts.archive else PLAN, item="mnesia/emqx_app")])


def _file_not_first(archive: Archive, _plan: Plan) -> Iterable[str]:
    """Sources that stood before the file; on a new cluster the file stands before them."""
    if archive.hocon is None:
        return
    for path, sources in archive.hocon.find("authorization.sources"):
        types = (
            [str(source.get("type")) for source in sources if isinstance(source, dict)]
            if isinstance(sources, list)
            else []
        )
        if types and types[0] != "file":
            yield f"{path}: {', '.join(types)}"


DETECTORS: Verdicts = {
    "BK-01": two_cluster(_version),
    "BK-02": two_cluster(_key_caller),
    "BK-03": planned(
        _mixed_import, "is something imported while old and new nodes stand in one cluster?", "import during the roll"
    ),
    "BK-04": two_cluster(_edition),
    "BK-05": packed(lambda archive, _: [] if archive.name_fits else [f"{archive.root}.tar.gz"], ARCHIVE),
    "BK-06": two_cluster(_retained),
    "BK-07": two_cluster(_left_behind),
    "BK-08": two_cluster(_overwritten_keys),
    "BK-20": two_cluster(
        packed(lambda archive, _: ["listeners"] if archive.hocon and "listeners" in archive.hocon.tree else [], ARCHIVE)
    ),
    "BK-21": two_cluster(
        packed(
            lambda archive, _: (
                [f"{archive.system_retained} retained messages below $SYS"] if archive.system_retained else []
            ),
            ARCHIVE,
        )
    ),
    "BK-22": two_cluster(packed(_file_not_first, ARCHIVE)),
}
