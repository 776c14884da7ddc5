"""The whole hop: files, loaded plugins and the export of a 4.2 cluster, the account, and what a person does with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.cutover.versions import Version
from components.cutover.words import Edition
from components.migration.configs.flat import Conf
from components.migration.facts import Export, Facts
from components.migration.hop_42_43.accounts import account_tables
from components.migration.hop_42_43.before_42 import loaded_modules
from components.migration.hop_42_43.environment import form_of, new_name, notes, rows_of
from components.migration.hop_42_43.export import Exported, convert_export, credential_for, require_importable
from components.migration.hop_42_43.files import convert_confs, convert_loaded, credential_of
from components.migration.hop_42_43.lines import base
from components.migration.hop_42_43.permissions import convert_permissions
from components.migration.hop_42_43.sides import Sides, off_sections, off_users
from components.migration.hop_42_43.steps import steps
from components.migration.manifest import NO_EXPORT, Account, Ledger
from components.migration.requests import Request
from components.migration.words import Credential

_SUPERUSER = re.compile(r"auth\.mnesia\.(\d+)\.is_superuser")
DEFAULT: Credential = "username"
"""``auth.mnesia.as`` of the file that 4.2 ships; only used where no built-in user depends on it."""

DATE_FORMAT: Mapping[Edition, Version] = {"ce": Version(4, 3, 15), "ee": Version(4, 3, 10)}
"""The first patches that know ``log.formatter.text.date.format`` (EMQX's configuration manual of 4.3)."""


@dataclass(frozen=True)
class Converted:
    """The result of 4.2 -> 4.3.

    ``texts`` are files under the names that their sources had; passwords and hashes are in them. ``steps`` is for the person on call.
    ``requests`` are sent after the import, below ``/api/v4``; ``sides`` decide as 4.2 and as 4.3.
    """

    texts: Mapping[str, str]
    account: Account
    steps: tuple[str, ...]
    requests: tuple[Request, ...]
    sides: Sides


def convert(facts: Facts) -> Converted:
    """Convert everything of a 4.2 cluster that was given.

    Raises:
        BadSource: no credential type or two of them, users in an export that is too old, a damaged file.

    """
    confs = tuple({conf.file: conf for conf in facts.confs or ()}.values())  # one file may be named twice
    given = {text.file: text.text for text in facts.texts or ()}
    environment = rows_of(facts.environment, given)
    if facts.export is not None and facts.plan.edition_to == "ce":
        require_importable(facts.export)
    credential = credential_for(
        facts.export or Export("SOURCE", {}), credential_of((*confs, *environment)), facts.plan.credential
    )
    ledger = Ledger()
    dates = facts.plan.target >= DATE_FORMAT[facts.plan.edition_to]
    forms = tuple((conf, form_of(facts.environment, conf)) for conf in environment)
    files = convert_confs(confs, credential or DEFAULT, ledger, forms, dates=dates, off=off_users(facts))
    names = {conf.file: new_name(conf, given) for conf in environment}
    texts = {names.get(name, name): text for name, text in files.texts.items()}
    texts |= _others(facts, set(facts.files) - {conf.file for conf in confs} - given.keys(), ledger)
    texts |= _modules(facts, (*confs, *environment))
    exported, superusers = Exported({}, (), ()), _superusers(facts, (*confs, *environment), credential or DEFAULT)
    if facts.export is not None:
        enterprise = facts.plan.edition_to == "ee"
        exported = convert_export(facts.export, credential, ledger, enterprise=enterprise, off=off_sections(facts))
        texts[facts.export.file] = json.dumps(exported.data) + "\n"
    permissions = convert_permissions(facts, exported, credential, (*exported.superusers, *superusers), ledger)
    sent = (*permissions.requests, *exported.requests)
    kept = files.notes if dates or not confs else (*files.notes, _no_dates(facts))
    account_tables(facts, permissions.sides.users, ledger)
    account = ledger.account(_lacks(facts))
    listed = steps(facts, (*confs, *environment), exported.data, sent)
    return Converted(texts, account, (*kept, *notes(environment, given), *listed), sent, permissions.sides)


NO_FILE = (
    "no emqx.conf: that of the 4.3 nodes counts; the one that 4.3 ships lets in everybody who has no login (allow_anonymous = true) and allows what no rule "
    "denies (acl_nomatch = allow). Give emqx.conf of a node"
)


def _lacks(facts: Facts) -> Iterator[str]:
    """What was not given, with what the result does not hold for that."""
    if facts.export is None:
        yield NO_EXPORT
    if not any(base(conf.file) == "emqx.conf" for conf in facts.confs or ()):
        yield NO_FILE
    yield from facts.not_read


def _others(facts: Facts, names: set[str], ledger: Ledger) -> dict[str, str]:
    """acl.conf, loaded_modules, ssl_dist.conf, PSK files: the same grammar in 4.3 (the shipped acl.conf differ in a comment)."""
    texts: dict[str, str] = {}
    for name in sorted(names):
        if facts.kinds.get(name, base(name)) == "loaded_plugins":
            texts[name] = convert_loaded(name, facts.files[name], ledger)
        else:
            texts[name] = facts.files[name]
            ledger.expect(name, 1)
            ledger.carried(name, 0, base(name))
    return texts


def _modules(facts: Facts, confs: tuple[Conf, ...]) -> dict[str, str]:
    """``loaded_modules``, where switches of 4.0 say what is on in it; beside ``loaded_plugins``, or else beside the files."""
    plugins = [(name, text) for name, text in facts.files.items() if facts.kinds.get(name) == "loaded_plugins"]
    given = [name for name in facts.files if facts.kinds.get(name) == "loaded_modules"]
    text = loaded_modules(
        (setting for conf in confs for setting in conf.settings), plugins, facts.files[given[0]] if given else None
    )
    beside = [*given, *(name for name, _ in plugins), *(conf.file for conf in confs)]
    return {} if text is None else {beside[0].removesuffix(base(beside[0])) + "loaded_modules": text}


def _superusers(facts: Facts, confs: tuple[Conf, ...], credential: Credential) -> list[tuple[str, str]]:
    """Those that ``emqx_auth_mnesia.conf`` makes where the database has no such user; of one that is in the export the row counts."""
    there = {str(row.get("login")) for row in facts.export.rows("auth_mnesia")} if facts.export else set()
    values = {setting.key: setting.value for conf in confs for setting in conf.settings}
    found = (_SUPERUSER.fullmatch(key) for key, value in values.items() if value == "true")
    names = (values.get(f"auth.mnesia.{one[1]}.login") for one in found if one)
    return [(credential, name) for name in names if name and name not in there]


def _no_dates(facts: Facts) -> str:
    first = DATE_FORMAT[facts.plan.edition_to]
    return (
        f"log timestamps will be RFC 3339: {facts.plan.target} cannot be told otherwise, {first} and later can (43-27)"
    )
