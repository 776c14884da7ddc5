"""Whole files of 4.2 as files of 4.3: every comment and every line stays where it was, merged plugins' users move to their new file."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from components.migration.configs.flat import Conf
from components.migration.configs.terms import parse_loaded
from components.migration.hop_42_43.before_42 import AS_MODULE, RENAMED, SHIPPED
from components.migration.hop_42_43.lines import FLAT, GONE, MERGED, Form, Lines, base
from components.migration.hop_42_43.settings import OLD_DATE, OLD_TLS, Line
from components.migration.manifest import Ledger
from components.migration.words import Credential

_PORT = re.compile(r"listener\.(?:ssl|wss)\.[^.]+")


@dataclass(frozen=True)
class Files:
    """Texts by the name that their source had; ``notes`` are the lines that were written and that no line of 4.2 stands for."""

    texts: Mapping[str, str]
    notes: tuple[str, ...]


def credential_of(confs: Iterable[Conf]) -> Credential | None:
    """What ``auth.mnesia.as`` says; the last file that says it counts."""
    said = [conf.value("auth.mnesia.as") for conf in confs]
    value = next((one.value for one in reversed(said) if one is not None), None)
    return "clientid" if value == "clientid" else "username" if value == "username" else None


def convert_confs(
    confs: tuple[Conf, ...],
    credential: Credential,
    ledger: Ledger,
    environment: tuple[tuple[Conf, Form], ...] = (),
    *,
    dates: bool = True,
    off: frozenset[str] = frozenset(),
) -> Files:
    """Translate configuration files; each setting of each file is an item of the ledger, by file and line.

    Args:
        confs: the files of a node.
        credential: what built-in users are.
        ledger: where the account is kept.
        environment: files of variables, which override the others, and how their rows are written.
        dates: whether the target can be told the format of its log's timestamps.
        off: kinds of users whose plugin was not loaded (``settings.USERS_OF``).

    """
    texts: dict[str, str] = {}
    notes: list[str] = []
    variables = tuple(conf for conf, _ in environment)
    for node in _nodes(confs):
        lines = Lines.of((*node, *variables), credential, ledger, off)
        texts |= _node(node, lines, notes, dates=dates)
    if environment:
        lines = Lines.of((*confs, *variables), credential, ledger, off)
        texts |= {conf.file: lines.convert(conf, form) for conf, form in environment}
    return Files(texts, tuple(notes))


def _nodes(confs: tuple[Conf, ...]) -> list[tuple[Conf, ...]]:
    """The files by node: where several directories have an ``emqx.conf``, what one of them sets is not set on another."""
    roots = {conf.file.removesuffix(base(conf.file)) for conf in confs if base(conf.file) == "emqx.conf"}
    if len(roots) < 2:
        return [confs]
    nodes: dict[str, list[Conf]] = defaultdict(list)
    for conf in confs:
        nodes[max((root for root in roots if conf.file.startswith(root)), key=len, default="")].append(conf)
    return [tuple(node) for node in nodes.values()]


def _node(confs: tuple[Conf, ...], lines: Lines, notes: list[str], *, dates: bool) -> dict[str, str]:
    """The files of one node; what is written besides its lines is added to the notes."""
    texts = {conf.file: lines.convert(conf, FLAT) for conf in confs}
    for file, kept in _kept(confs, lines.context.made, dates=dates).items():
        notes += [f"{file}: {line.key} is written as 4.2 had it by default" for line in kept]
        texts[file] = _append(
            texts[file], [f"{line.key} = {line.value}" for line in kept], "kept from 4.2, whose default it was"
        )
    home = _home(confs)
    for conf in confs:
        if _plugin(conf.file) in RENAMED:
            texts[f"{conf.file.removesuffix(base(conf.file))}{RENAMED[_plugin(conf.file)]}.conf"] = texts.pop(conf.file)
        if _plugin(conf.file) in MERGED:
            there = texts.get(home, "")
            texts[home] = _append(there, _new(texts.pop(conf.file), there), f"from {base(conf.file)}, which is merged")
            notes.append(f"{conf.file}: its settings are in {home} now; the plugin is merged into emqx_auth_mnesia")
    return texts


def _home(confs: tuple[Conf, ...]) -> str:
    """The file of emqx_auth_mnesia, or where it belongs beside the plugins that are merged into it."""
    named = [conf.file for conf in confs if _plugin(conf.file) == "emqx_auth_mnesia"]
    beside = [
        conf.file.removesuffix(base(conf.file)) + "emqx_auth_mnesia.conf"
        for conf in confs
        if _plugin(conf.file) in MERGED
    ]
    return (named + beside + ["emqx_auth_mnesia.conf"])[0]


def _new(text: str, home: str) -> list[str]:
    """The lines of a merged file, comments too, but for settings that its new file has already (the one hash of all built-in users)."""
    there = {line.strip() for line in home.splitlines() if line.strip() and not line.lstrip().startswith("#")}
    return [line for line in text.strip("\r\n").splitlines() if line.strip() not in there]


def _append(text: str, lines: list[str], why: str) -> str:
    """A text with more lines after it, with its own line ends; unchanged when there are none."""
    if not lines:
        return text
    end = "\r\n" if "\r\n" in text else "\n"
    before = [text.rstrip("\r\n"), ""] if text.strip() else []
    return end.join([*before, f"## {why}", *lines, ""])


def convert_loaded(file: str, text: str, ledger: Ledger) -> str:
    """``loaded_plugins`` with merged plugins under their new name, once.

    Raises:
        BadSource: a line that is no fact.

    """
    facts = parse_loaded(file, text)
    ledger.expect(file, len(facts))
    enabled: dict[str, bool] = {}
    for index, fact in enumerate(facts):
        label = f"line {fact.line}: {fact.name}"
        if fact.name in GONE:
            ledger.dropped(file, index, label, "4.3 has no such plugin", GONE[fact.name])
            continue
        if fact.name in AS_MODULE:
            ledger.carried(file, index, label, f"as a line of data/loaded_modules: {AS_MODULE[fact.name]}")
            continue
        name = MERGED.get(fact.name, RENAMED.get(fact.name, fact.name))
        enabled[name] = enabled.get(name, False) or fact.enabled
        if SHIPPED.fullmatch(name):
            ledger.carried(file, index, label, "as it was" if name == fact.name else f"loaded as {name}")
        else:
            ledger.changed(file, index, label, "kept, but 4.3 ships no plugin of this name", "build it for 4.3")
    return "".join(f"{{{name}, {str(on).lower()}}}.\n" for name, on in enabled.items())


def _kept(confs: Iterable[Conf], made: frozenset[str], *, dates: bool) -> dict[str, list[Line]]:
    """Defaults that 4.3 changes under files that rely on them, by file: TLS versions of listeners, the format of the date in the log."""
    kept: dict[str, list[Line]] = defaultdict(list)
    ports = {setting.key: setting.file for conf in confs for setting in conf.settings if _PORT.fullmatch(setting.key)}
    for key in sorted(ports):
        if f"{key}.tls_versions" not in made:
            kept[ports[key]].append(Line(f"{key}.tls_versions", OLD_TLS))
    logs = [conf.file for conf in confs if any(setting.key.startswith("log.") for setting in conf.settings)]
    place = (logs + [conf.file for conf in confs if base(conf.file) == "emqx.conf"])[:1]
    if dates and place and OLD_DATE[0] not in made:
        kept[place[0]].append(Line(*OLD_DATE))
    return kept


def _plugin(file: str) -> str:
    """``emqx_auth_http`` of ``etc/plugins/emqx_auth_http.conf``."""
    return base(file).removesuffix(".conf")
