"""What a person does with the result of the hop: what is in no file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.migration.configs.flat import Conf
from components.migration.facts import Facts
from components.migration.hop_42_43.before_42 import module_of
from components.migration.hop_42_43.lines import base
from components.migration.requests import Request

USERS = ("auth_clientid", "auth_username", "auth_mnesia")
WAIT = (
    "wait on one 4.3 node until GET /status on its management port answers 200 and GET /api/v4/plugins shows emqx_auth_mnesia with active = true"
    " (emqx_ctl plugins list): an import before that answers code 0 and imports neither users nor rules"
)


def steps(
    facts: Facts, confs: Sequence[Conf], exported: Mapping[str, Any], requests: Sequence[Request]
) -> tuple[str, ...]:
    """The data directory, the import, the requests, the restart, in their order (seed 004 lines 24 to 46; V_4.2.14_to_4.3.22_*).

    Args:
        facts: what was given.
        confs: all files that set something.
        exported: the converted export; empty without one.
        requests: what is sent after the import.

    """
    return tuple(_steps(facts, confs, exported, requests))


def _steps(
    facts: Facts, confs: Sequence[Conf], exported: Mapping[str, Any], requests: Sequence[Request]
) -> Iterator[str]:
    set_by_file = [setting.value for conf in confs for setting in conf.settings if setting.key == "node.data_dir"]
    unset = "EMQX_NODE__DATA_DIR, else /var/lib/emqx (packages), /opt/emqx/data (docker) or <install-path>/data"
    yield f"back up the data directory of every 4.2 node: {set_by_file[-1] if set_by_file else unset}"
    yield "copy data/ to the new nodes without data/mnesia, or delete data/mnesia there, before 4.3 starts for the first time"
    if any(module_of(setting) for conf in confs for setting in conf.settings):
        yield "put loaded_modules into the data directory of every 4.3 node: 4.0 switched modules in emqx.conf"
    if facts.export is None and not requests:
        return
    yield WAIT
    if facts.export is not None:
        name = base(facts.export.file)
        yield f"on that node: emqx_ctl data import <absolute path>/{name} (the credential type is in the file; no --env is needed)"
        users = sum(len(exported.get(section) or ()) for section in USERS)
        yield (
            f"see that it did: {users} built-in users in GET /api/v4/auth_username and /auth_clientid together; with fewer, import again"
        )
    if requests:
        sent = sum(request.method == "POST" for request in requests)
        yield (
            f"send requests.json to the same node with the script of docs/migrate-4.2-to-4.3.md, which imports too: {sent} requests, one after"
            " the other and never two in one millisecond, then each login is read back; no device before that, as its denials are not there yet"
        )
    if facts.export is not None:
        yield "restart all 4.3 nodes after the import; rules of the engine whose target did not answer are off: switch them on"
