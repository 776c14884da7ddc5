"""Every line of every file of 4.2, of configuration and of environment variables: what stands for it in 4.3, and its entry in the account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from components.migration.configs.flat import Conf, Row, Setting
from components.migration.hop_42_43.settings import Context, Line, Translation, translate
from components.migration.manifest import Ledger, Verdict
from components.migration.masking import shown
from components.migration.words import Credential

MERGED = {"emqx_auth_clientid": "emqx_auth_mnesia", "emqx_auth_username": "emqx_auth_mnesia"}
GONE = {
    "emqx_extension_hook": "port the extension to gRPC and load emqx_exhook",
    "emqx_reloader": "nothing: it reloaded code for developers",
    "emqx_plugin_template": "nothing, or build your plugin for 4.3",
    "emqx_cube": "look what it did for you; 4.3 has emqx_prometheus",
}
"""Plugins of before 4.3 that 4.3 does not have, and what to do."""
STAYS = (Line("", ""),)
"""Of a line that is no setting: it is written as it was."""


@dataclass(frozen=True)
class Form:
    """How lines of one kind of file are told apart, translated and written again."""

    is_item: Callable[[Row], bool]
    odd: Callable[[Row, frozenset[str]], Translation]
    special: Mapping[str, Callable[[str], Translation]]
    is_nameable: Callable[[str], bool]
    write: Callable[[Row, Line], str]


@dataclass(frozen=True)
class Lines:
    """What every line is translated with: ``made`` is what becomes of each setting, ``doubled`` are keys that different ones become, ``given`` the files' base names."""

    made: Mapping[Setting, Translation]
    context: Context
    ledger: Ledger
    doubled: frozenset[str]
    given: frozenset[str]

    @classmethod
    def of(
        cls, confs: Iterable[Conf], credential: Credential, ledger: Ledger, off: frozenset[str] = frozenset()
    ) -> Lines:
        """Read once over all the files."""
        files = tuple(confs)
        context = Context.of(files, credential, off)
        made = {setting: translate(setting, context) for conf in files for setting in conf.settings}
        return cls(made, context, ledger, _doubled(made), frozenset(base(conf.file) for conf in files))

    def convert(self, conf: Conf, form: Form) -> str:
        """A whole file; its settings, and lines that are nothing, are items of the ledger."""
        self.ledger.expect(conf.file, 0)
        index = 0
        written: list[str] = []
        for row in conf.rows:
            if row.setting is not None or form.is_item(row):
                done = self._translated(row, form)
                self.ledger.expect(conf.file, 1)
                self._enter(conf.file, index, row, done)
                index += 1
                written += _written(row, done, form)
            else:
                written.append(row.text + row.end)
        return "".join(written)

    def _translated(self, row: Row, form: Form) -> Translation:
        if row.setting is None:
            return form.odd(row, self.given)
        if row.setting.key in form.special:
            return form.special[row.setting.key](row.setting.value)
        done = self.made[row.setting]
        hidden = next((line.key for line in done.lines if not form.is_nameable(line.key)), None)
        if hidden is not None:
            todo = f"set {hidden} in the plugin's own file"
            return Translation((), Verdict.DROPPED, "its new name cannot be a variable", todo)
        if done.verdict is Verdict.CARRIED and any(line.key in self.doubled for line in done.lines):
            todo = "different settings of 4.2 with different values become this one, of which 4.3 reads the last: keep the right one"
            return done._replace(verdict=Verdict.CHANGED, todo=todo)
        return done

    def _enter(self, file: str, index: int, row: Row, done: Translation) -> None:
        label = f"line {row.number}" + (f": {row.setting.key}" if row.setting else "")
        if done.verdict is Verdict.CARRIED:
            values = (shown(line.key, line.value) for line in done.lines if row.setting is not None and line.key)
            self.ledger.carried(file, index, label, done.how, ", ".join(dict.fromkeys(values)))
        elif done.verdict is Verdict.CHANGED:
            self.ledger.changed(file, index, label, done.how, done.todo)
        else:
            self.ledger.dropped(file, index, label, done.how, done.todo)


def base(file: str) -> str:
    """``emqx_auth_http.conf`` of ``etc/plugins/emqx_auth_http.conf``."""
    return file.replace("\\", "/").rsplit("/", 1)[-1]


def _doubled(translated: Mapping[Setting, Translation]) -> frozenset[str]:
    """Keys of 4.3 that several keys of 4.2 become with several values; one key that is set again is no such case, its last value counts."""
    sources: dict[str, dict[str, str]] = defaultdict(dict)
    for setting, done in translated.items():
        for line in done.lines:
            sources[line.key][setting.key] = line.value
    return frozenset(key for key, made in sources.items() if len(set(made.values())) > 1)


def _written(row: Row, done: Translation, form: Form) -> Iterator[str]:
    """The lines that stand for a row: rewritten, several, or itself commented out."""
    if not done.lines:
        yield f"## not in 4.3: {row.text}{row.end}"
    for place, line in enumerate(done.lines, start=1):
        text = form.write(row, line) if row.setting else row.text
        yield text + (row.end if place == len(done.lines) else row.end or "\n")


def _odd_line(row: Row, given: frozenset[str]) -> Translation:
    """A line that is neither a setting nor a comment: an include of Enterprise, or nothing that 4.2 could have read."""
    if row.included is None:
        todo = "write it as key = value, or remove it"
        return Translation((), Verdict.DROPPED, "neither a setting nor a comment", todo)
    if base(row.included) in given:
        return Translation(STAYS, Verdict.CARRIED, "the included file is converted too")
    todo = "give the included file as well: nothing of it is converted"
    return Translation(STAYS, Verdict.CHANGED, "kept, but the file that it includes was not given", todo)


FLAT = Form(
    lambda row: row.is_foreign, _odd_line, {}, lambda _: True, lambda row, line: row.rewritten(line.key, line.value)
)
