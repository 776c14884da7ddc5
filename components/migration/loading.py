"""Files of a person as facts: each is read as what its content says that it is, or refused; the only place here that touches a disk.

The rule kept here: nothing that was named is passed over, and whoever converts refuses a text of which nothing is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from components.hocon.parser import Given, nothing_given
from components.migration import downloads
from components.migration.archive import Archive, read_archive
from components.migration.configs import flat, hocon
from components.migration.configs.hocon import Hocon
from components.migration.configs.terms import parse_loaded
from components.migration.facts import EDITIONS, Facts, Plan, Text, read_export, require_declared
from components.migration.files import ARCHIVES, below, read
from components.migration.includes import Includes
from components.migration.kinds import kind_of
from components.migration.manifest import BadSource
from components.migration.permissions.erlang import TermError
from components.migration.permissions.erlang import parse as parse_terms
from components.migration.sources import values
from components.migration.sources.base import PREFIX

MAY_SET = frozenset({"", ".env", ".yml", ".yaml", ".sh", ".service", ".mk"})
"""Suffixes of files that set variables, when they only lie in a directory; whoever names a file need not mind its suffix."""
MOST_NAMED_BYTES = 2_000_000
"""Of a file that only a setting or an include names."""
WHAT_IS_READ = (
    "an export, an archive, files of etc/ and data/, or a file that sets EMQX_ variables (docs, 'What you can give')"
)


def add(facts: Facts, file: str, data: bytes, given: Given = nothing_given) -> Facts:
    """The facts with one more file: an export by its content, others by name: archive, configuration, ``loaded_plugins``, ``acl.conf``, other text.

    Raises:
        BadSource: it cannot be read as what its name says.

    """
    name = file.replace("\\", "/").rsplit("/", 1)[-1]
    data = data if name.endswith(ARCHIVES) else downloads.unpacked(file, data)
    if name.endswith(ARCHIVES) or downloads.is_packed(data):
        if facts.archive is not None:
            raise BadSource(file, "", "a second archive", "give one archive; two of them cannot be one cluster")
        archive = read_archive(file, data)
        hocons = (archive.hocon,) if archive.hocon else ()
        return replace(facts, archive=archive, hocons=(*(facts.hocons or ()), *hocons))
    text = downloads.decoded(file, data)
    named = name.lower().endswith(".json") and kind_of(file, text, facts.plan.source.major) == "other"
    if named or downloads.is_export(text):
        if facts.export is not None:
            raise BadSource(file, "", "a second export", "give one export; two of them cannot be one cluster")
        return replace(facts, export=read_export(file, text))
    return _add_text(facts, file, text, given)


def _add_text(facts: Facts, file: str, text: str, given: Given = nothing_given) -> Facts:
    """The facts with one more text, as what its content says that it is."""
    kind = kind_of(file, text, facts.plan.source.major)
    facts = replace(facts, files={**facts.files, file: text}, kinds={**facts.kinds, file: kind})
    if kind == "loaded_plugins":  # of all the files of a node the one that rules ask for
        return replace(facts, plugins=(*(facts.plugins or ()), *parse_loaded(file, text)))
    if kind == "acl.conf":
        try:
            parse_terms(text)
        except TermError as error:
            raise BadSource(
                file, f"line {error.line}", error.seen, "mend the line, or take the file from the node again"
            ) from None
        return replace(facts, acl=(*(facts.acl or ()), Text(file, text)))
    if kind == "hocon":
        return replace(facts, hocons=(*(facts.hocons or ()), hocon.parse(file, text, given)))
    if kind == "flat":
        return replace(facts, confs=(*(facts.confs or ()), flat.parse(file, text)))
    if kind in ("variables", "other"):
        return replace(facts, texts=(*(facts.texts or ()), Text(file, text)))
    return facts


def complete(facts: Facts) -> Facts:
    """The facts with what lies in files of variables: an acl.conf in a manifest, a HOCON text in a resource of the Operator.

    Raises:
        BadSource: one of them cannot be read.

    """
    environment = facts.environment
    for document in environment.files:
        facts = _add_text(facts, document.file, document.text)
    if facts.plan.source.major >= 5 and environment.variables:
        texts = {text.file: text.text for text in facts.texts or ()}
        trees = [Hocon(file, texts[file], tree) for file, tree in values.trees(environment.variables).items()]
        facts = replace(facts, hocons=(*(facts.hocons or ()), *trees)) if trees else facts
    return facts


def load(plan: Plan, paths: tuple[Path, ...]) -> Facts:
    """Read files, and directories with configuration files, ``loaded_plugins``, exports and archives.

    A file that is given twice, be it by another path or by a link, is read once. Of what lies in a directory, files that a setting names are read
    whatever they are called, and those that set variables of EMQX are said to be not read.

    Raises:
        BadSource: one that is not there, cannot be read, or is of another version or edition than the plan says.

    """
    facts = Facts(plan)
    files, others = _given(paths)
    given = {str(file): partial(_small_text, file) for file in (*files.values(), *others)}
    includes = Includes(given, [str(path) for path in paths if path.is_dir()])
    for file in files.values():
        try:
            facts = add(facts, str(file), read(file), includes.find)
        except OSError as error:
            raise _unreadable(error, file) from None
    facts = complete(_add_named(facts, [file for file in others if os.path.realpath(file) not in files]))
    if facts.export is not None:
        require_declared(facts.export, plan.source)
    if facts.archive is not None:
        _require_archive(facts.archive, plan)
    return _substituted(facts)


def _substituted(facts: Facts) -> Facts:
    """The facts, of which no substitution names what stands nowhere; an include that EMQX passes over is among what was not read.

    Raises:
        BadSource: one does.

    """
    documents = [file.document for file in facts.hocons or () if file.document is not None]
    if any(document.open for document in documents):
        _ = facts.in_effect
    passed_over = (
        f"{file}, line {line} includes {name[:80]}, which does not lie in the directory: EMQX passes over it; give it if the nodes have it elsewhere"
        for document in documents
        for name, line, file in document.passed_over
    )
    return replace(facts, not_read=(*facts.not_read, *dict.fromkeys(passed_over)))


def _given(paths: tuple[Path, ...]) -> tuple[dict[str, Path], list[Path]]:
    """The files to read, by what they really are, and what else lies in the directories."""
    files: dict[str, Path] = {}
    others: list[Path] = []
    for path in paths:
        try:
            here, rest = below(path) if path.is_dir() else ([path], [])
        except OSError as error:
            raise _unreadable(error, path) from None
        if not here:
            seen = "a directory without configuration files"
            raise BadSource(str(path), "", seen, "name the directory that holds emqx.conf")
        others += rest
        for file in here:
            files.setdefault(os.path.realpath(file), file)
    return files, others


def _unreadable(error: OSError, path: Path) -> BadSource:
    seen = error.strerror or "it cannot be read"
    return BadSource(str(error.filename or path), "", seen, "name a file or a directory that is there")


def _add_named(facts: Facts, others: list[Path]) -> Facts:
    """The facts with those of a directory's other files that a setting names, and with words about those that only look as if they counted."""
    wanted = set(named_files(facts))
    not_read: list[str] = []
    for file in others:
        text = _small_text(file) if file.name in wanted or file.suffix in MAY_SET else None
        if text is None:
            continue
        if file.name in wanted:
            facts = _as_named(_add_text(facts, str(file), text), str(file))
        elif PREFIX in text and kind_of(str(file), text, facts.plan.source.major) == "variables":
            not_read.append(
                f"{file} sets variables of EMQX and was not read: name it as one more SOURCE if the nodes get them"
            )
    return replace(facts, not_read=(*facts.not_read, *not_read))


def _as_named(facts: Facts, file: str) -> Facts:
    """A file that a setting names is one of the node's, if it is nothing else: a licence, a table."""
    if facts.kinds[file] != "other":
        return facts
    texts = tuple(text for text in facts.texts or () if text.file != file)
    return replace(facts, texts=texts or None, kinds={**facts.kinds, file: "node file"})


def named_files(facts: Facts) -> Iterator[str]:
    """The last part of every path that a setting names: rules, certificates, identities."""
    values = [setting.value for conf in facts.confs or () for setting in conf.settings]
    values += [f"/{row.included}" for conf in facts.confs or () for row in conf.rows if row.included is not None]
    values += [leaf for file in facts.hocons or () for leaf in _leaves(file.tree)]
    for value in values:
        path = value.strip().strip('"')
        if "/" in path and "://" not in path and "\n" not in path:
            yield path.rsplit("/", 1)[-1]


def _leaves(tree: object) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Mapping | list):
        for one in tree.values() if isinstance(tree, Mapping) else tree:
            yield from _leaves(one)


def _small_text(file: Path) -> str | None:
    """The text of a regular file that is not large; None for anything else, which no node reads as text."""
    try:
        return read(file).decode("utf-8-sig") if file.stat().st_size <= MOST_NAMED_BYTES else None
    except (OSError, UnicodeDecodeError, BadSource):
        return None


def _require_archive(archive: Archive, plan: Plan) -> None:
    """META says of which version and edition the cluster was.

    Raises:
        BadSource: of another line or edition than the plan says.

    """
    said = archive.version
    if said.line != plan.source.line:
        seen = f"an archive of {said}, declared as {plan.source}"
        raise BadSource(archive.file, "META.hocon", seen, f"say --from {said}, or give the right file")
    if plan.edition_is_known and archive.edition != plan.edition_from:
        seen = f"an archive of {EDITIONS[archive.edition]}, declared as {EDITIONS[plan.edition_from]}"
        raise BadSource(archive.file, "META.hocon", seen, f"say --edition {archive.edition}, or give the right file")


def require_all_read(facts: Facts) -> Facts:
    """The facts, of which all is understood: what is converted may not lack what stood in a file that was named.

    Raises:
        BadSource: nothing is read from one of the files.

    """
    for file in facts.unread:
        if PREFIX in facts.files[file]:
            seen = "it speaks of variables of EMQX in a form that is not known here, so nothing is read from this file"
            raise BadSource(file, "", seen, "write them as EMQX_NAME=value, one a line, in a file of their own")
        seen = "nothing is read from this file: it is no export, no configuration and sets no variable of EMQX"
        raise BadSource(file, "", seen, f"leave it out, or give what is read: {WHAT_IS_READ}")
    return facts
