"""Who could not come in on 4.4 because a plugin was off cannot come in on green, and who could does: a real client decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.converted_bed import green, login
from tests.unit.hop_44_5_bed import run, user

pytestmark = pytest.mark.lab

FILES = {"auth.user.1.username": "joe", "auth.user.1.password": "word"}
LOADED = {
    "on": "{emqx_auth_mnesia, true}.\n",
    "off": "{emqx_auth_mnesia, false}.\n",
    "not named": "{emqx_recon, true}.\n",
}


@pytest.mark.parametrize("plugin", LOADED)
@pytest.mark.parametrize("anonymous", ["true", "false"])
async def test_a_login_decides_as_4_4_did(tmp_path: Path, plugin: str, anonymous: str) -> None:
    conversion = run(
        {"auth_mnesia": [user("ann")]},
        {**FILES, "allow_anonymous": anonymous},
        {"loaded_plugins": LOADED[plugin], "loaded_modules": ""},
        to="5.8.9",
        edition="ce",
    )
    everybody = plugin != "on" and anonymous == "true"
    async with green(tmp_path, conversion) as managed:
        codes = {
            "ann": await login(managed, "ann", b"secret"),
            "joe": await login(managed, "joe", b"word"),
            "ann, wrong": await login(managed, "ann", b"other"),
            "nobody": await login(managed, None, None),
        }
    knows = plugin == "on"
    assert {name: code == 0 for name, code in codes.items()} == {
        "ann": knows or everybody,
        "joe": knows or everybody,
        "ann, wrong": everybody,
        "nobody": everybody,
    }
