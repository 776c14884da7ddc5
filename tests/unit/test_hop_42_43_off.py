"""Users of the files whose plugin 4.2 did not load are not users of 4.3's one plugin."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.migration.configs import flat
from components.migration.configs.terms import parse_loaded
from components.migration.facts import Facts
from components.migration.hop_42_43.convert import convert
from tests.unit.hop_42_43_bed import CLIENTS, MNESIA, PLAN, USERS

pytestmark = pytest.mark.unit

FILES = {"user": USERS, "client": CLIENTS, "mnesia": MNESIA}
PLUGINS = {"user": "emqx_auth_username", "client": "emqx_auth_clientid", "mnesia": "emqx_auth_mnesia"}
LOGINS = {"user": "username = a", "client": "clientid = c", "mnesia": "username = m"}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("loaded", [True, False, None])
def test_only_users_of_a_plugin_that_was_loaded_are_written(kind: str, loaded: bool | None) -> None:
    text = f"{{emqx_retainer, true}}.\n{{{PLUGINS[kind]}, {str(loaded).lower()}}}.\n"
    facts = Facts(
        replace(PLAN, credential="username"),
        confs=(flat.parse(f"{PLUGINS[kind]}.conf", FILES[kind]),),
        plugins=None if loaded is None else parse_loaded("loaded_plugins", text),
    )
    result = convert(facts)
    written = [line for line in "\n".join(result.texts.values()).splitlines() if not line.startswith("#")]
    assert any(line.endswith(LOGINS[kind]) for line in written) is (loaded is not False)
    users = [
        item for item in result.account.items if item.label.rsplit(".", 1)[-1] in ("username", "clientid", "login")
    ]
    assert users
    assert {item.had_effect for item in users} == {loaded is not False}
    tally = result.account.tally()
    assert all(row["source"] == row["carried"] + row["changed"] + row["dropped"] for row in tally.values())


def test_the_hash_of_a_plugin_that_was_off_does_not_contradict_that_of_one_that_was_on() -> None:
    other = USERS.replace("sha256", "md5")
    facts = Facts(
        replace(PLAN, credential="username"),
        confs=(flat.parse("emqx_auth_username.conf", other), flat.parse("emqx_auth_mnesia.conf", MNESIA)),
        plugins=parse_loaded("loaded_plugins", "{emqx_auth_mnesia, true}.\n"),
    )
    text = "\n".join(convert(facts).texts.values())
    assert [line for line in text.splitlines() if line.startswith("auth.mnesia.password_hash")] == [
        "auth.mnesia.password_hash = sha256"
    ]
