"""The variables of 4.2 as rows, so that they are translated like the lines of a file; what 4.3 takes is written as plain ``NAME=value``.

The rule kept here: a file of plain variables keeps its comments and its order; what another spelling says is never written back into it by guess.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from components.migration.configs.flat import Conf, Row
from components.migration.hop_42_43.before_42 import AS_MODULE, RENAMED
from components.migration.hop_42_43.lines import GONE, MERGED, STAYS, Form, base
from components.migration.hop_42_43.settings import Line, Translation
from components.migration.manifest import Verdict
from components.migration.sources import dotenv
from components.migration.sources.base import Document, Variable, is_nameable, name_of
from components.migration.sources.registry import Environment


def rows_of(environment: Environment, files: Mapping[str, str]) -> tuple[Conf, ...]:
    """One ``Conf`` for each file that sets variables, in the order in which they count."""
    by_file: dict[str, list[Variable]] = defaultdict(list)
    for one in environment.variables:
        by_file[one.file].append(one)
    return tuple(
        Conf(file, tuple(_in_place(Document(file, files[file]), found) if _is_plain(file, files) else _rows(found)))
        for file, found in by_file.items()
    )


def _is_plain(file: str, files: Mapping[str, str]) -> bool:
    return file in files and dotenv.recognizes(Document(file, files[file]))


def _rows(variables: Iterable[Variable]) -> Iterable[Row]:
    return (Row(one.line, _text(one), "\n", one.setting) for one in variables)


def _text(one: Variable) -> str:
    return (
        f"# {one.name or 'a variable'} is not known here: {one.why}"
        if one.value is None
        else dotenv.written(one.name, one.value)
    )


def _in_place(document: Document, variables: Iterable[Variable]) -> Iterable[Row]:
    """The file's own pieces, comments and blank lines too."""
    known = {(one.line, one.name): one for one in variables}
    for piece in dotenv.bindings(document):
        one = known.get((piece.line, piece.name))
        text = piece.original.rstrip("\r\n")
        yield Row(piece.line, text, piece.original[len(text) :], one.setting if one else None)


def new_name(conf: Conf, files: Mapping[str, str]) -> str:
    """Where the variables of 4.3 are written: under their own name where the file holds nothing else."""
    return conf.file if _is_plain(conf.file, files) else f"{conf.file}.env"


def notes(confs: Iterable[Conf], files: Mapping[str, str]) -> list[str]:
    """What a person does with files that could not be written in their own spelling."""
    return [
        f"put the variables of {base(new_name(conf, files))} in place of those of {base(conf.file)}"
        for conf in confs
        if new_name(conf, files) != conf.file
    ]


def form_of(environment: Environment, conf: Conf) -> Form:
    """How the rows of one file are translated; those without a setting whose value is not known are items too."""
    unknown = {one.line: one for one in environment.variables if one.file == conf.file and one.value is None}

    def odd(row: Row, _given: frozenset[str]) -> Translation:
        one = unknown[row.number]
        return Translation(STAYS, Verdict.CHANGED, f"not known here: {one.why}", one.todo)

    return Form(
        lambda row: row.setting is None and row.number in unknown,
        odd,
        {"loaded_plugins": _loaded, "node.heartbeat": _heartbeat},
        is_nameable,
        _written,
    )


def _written(row: Row, line: Line) -> str:
    """The row as it stands where nothing of it changes."""
    if row.setting is not None and (row.setting.key, row.setting.value) == (line.key, line.value):
        return row.text
    export = "export " if row.text.lstrip().startswith("export ") else ""
    return export + dotenv.written(name_of(line.key), line.value)


def _loaded(value: str) -> Translation:
    """The plugins that the image loads, by their new names."""
    names = re.findall(r"\w+", value, re.ASCII)
    gone = [name for name in names if name in GONE]
    kept = (MERGED.get(name, RENAMED.get(name, name)) for name in names if name not in GONE and name not in AS_MODULE)
    line = Line("loaded_plugins", ",".join(dict.fromkeys(kept)))
    if gone:
        return Translation((line,), Verdict.CHANGED, f"without {', '.join(gone)}", GONE[gone[0]])
    return Translation((line,), Verdict.CARRIED, "plugins by their new names")


def _heartbeat(value: str) -> Translation:
    """Seed 004 line 78."""
    todo = "set node.heartbeat in emqx.conf"
    return Translation((Line("node.heartbeat", value),), Verdict.CHANGED, "without effect on 4.3 (43-24)", todo)
