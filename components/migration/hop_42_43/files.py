"""Whole files of 4.2 as files of 4.3: every comment and every line stays where it was, merged plugins' users move to their new file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from components.migration.configs.flat import Conf, Row
from components.migration.configs.terms import parse_loaded
from components.migration.facts import Credential
from components.migration.hop_42_43.settings import OLD_DATE, OLD_TLS, Context, Line, translate
from components.migration.manifest import Ledger, Verdict

MERGED = {"emqx_auth_clientid": "emqx_auth_mnesia", "emqx_auth_username": "emqx_auth_mnesia"}
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


def convert_confs(confs: tuple[Conf, ...], credential: Credential, ledger: Ledger) -> Files:
    """Translate configuration files; each setting of each file is an item of the ledger, by file and line."""
    context = Context.of(confs, credential)
    home = _home(confs)
    texts: dict[str, str] = {}
    notes: list[str] = []
    moved: list[str] = []
    for conf in confs:
        text = "".join(_rows(conf, context, ledger))
        if _plugin(conf.file) in MERGED:
            moved += [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
            notes.append(f"{conf.file}: its settings are in {home} now; the plugin is merged into emqx_auth_mnesia")
            continue
        kept = _kept(conf)
        notes += [f"{conf.file}: {line.key} is written as 4.2 had it by default" for line in kept]
        texts[conf.file] = _append(
            text, [f"{line.key} = {line.value}" for line in kept], "kept from 4.2, whose default it was"
        )
    if moved:
        texts[home] = _append(
            texts.get(home, ""), list(dict.fromkeys(moved)), "from the plugins that are merged into this one"
        )
    return Files(texts, tuple(notes))


def _home(confs: tuple[Conf, ...]) -> str:
    """The file of emqx_auth_mnesia, or where it belongs beside the plugins that are merged into it."""
    named = [conf.file for conf in confs if _plugin(conf.file) == "emqx_auth_mnesia"]
    beside = [
        conf.file.replace(_plugin(conf.file), "emqx_auth_mnesia") for conf in confs if _plugin(conf.file) in MERGED
    ]
    return (named + beside + ["emqx_auth_mnesia.conf"])[0]


def _append(text: str, lines: list[str], why: str) -> str:
    """A text with more settings after it; unchanged when there are none."""
    if not lines:
        return text
    return "\n".join([text.rstrip("\n"), "", f"## {why}", *lines, ""]).lstrip("\n")


def convert_loaded(file: str, text: str, ledger: Ledger) -> str:
    """``loaded_plugins`` with merged plugins under their new name, once.

    Raises:
        BadSource: a line that is no fact.

    """
    facts = parse_loaded(file, text)
    ledger.expect(file, len(facts))
    enabled: dict[str, bool] = {}
    for index, fact in enumerate(facts):
        name = MERGED.get(fact.name, fact.name)
        enabled[name] = enabled.get(name, False) or fact.enabled
        how = "as it was" if name == fact.name else f"loaded as {name}"
        ledger.carried(file, index, f"line {fact.line}: {fact.name}", how)
    return "".join(f"{{{name}, {str(on).lower()}}}.\n" for name, on in enabled.items())


def _rows(conf: Conf, context: Context, ledger: Ledger) -> Iterator[str]:
    """All lines of a file; its settings, and lines that are nothing, are items of the ledger."""
    items = [row for row in conf.rows if row.setting is not None or row.is_foreign]
    index = {row.number: place for place, row in enumerate(items)}
    ledger.expect(conf.file, len(items))
    for row in conf.rows:
        if row.number in index:
            yield from _row(row, _account(conf.file, index[row.number], row, context, ledger))
        else:
            yield row.text + row.end


def _account(file: str, index: int, row: Row, context: Context, ledger: Ledger) -> tuple[Line, ...]:
    """Translate a row and enter it: what stands for it."""
    if row.setting is None:
        ledger.dropped(
            file,
            index,
            f"line {row.number}",
            "neither a setting nor a comment",
            "write it as key = value, or remove it",
        )
        return ()
    done = translate(row.setting, context)
    label = f"line {row.number}: {row.setting.key}"
    if done.verdict is Verdict.CARRIED:
        ledger.carried(file, index, label, done.how)
    elif done.verdict is Verdict.CHANGED:
        ledger.changed(file, index, label, done.how, done.todo)
    else:
        ledger.dropped(file, index, label, done.how, done.todo)
    return done.lines


def _row(row: Row, lines: tuple[Line, ...]) -> Iterator[str]:
    """The lines that stand for a row: rewritten, several, or itself commented out."""
    if not lines:
        yield f"## not in 4.3: {row.text}{row.end}"
    for place, line in enumerate(lines, start=1):
        yield row.rewritten(line.key, line.value) + (row.end if place == len(lines) else row.end or "\n")


def _kept(conf: Conf) -> list[Line]:
    """Defaults that 4.3 changes under a file that relies on them: TLS versions of its listeners, the format of the date in its logs."""
    made = {setting.key for setting in conf.settings}
    kept = [
        Line(f"{key}.tls_versions", OLD_TLS)
        for key in sorted(made)
        if _PORT.fullmatch(key) and f"{key}.tls_versions" not in made
    ]
    if any(key.startswith("log.") for key in made) and OLD_DATE[0] not in made:
        kept.append(Line(*OLD_DATE))
    return kept


def _plugin(file: str) -> str:
    """``emqx_auth_http`` of ``etc/plugins/emqx_auth_http.conf``."""
    return file.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".conf")
