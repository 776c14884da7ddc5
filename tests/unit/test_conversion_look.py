"""What a preview says of a conversion: by the export that lies there, what is lost, what green begins with, what is yours to do; and it sends nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.conversion import APPENDIX, Look
from components.conversion_look import look
from components.cutover.words import Colour
from components.emqx.base import Cluster
from components.emqx.models import Credentials, MqttAccount
from tests.lab.converted_move_bed import NODE, SHOP_SECRET, Old, document
from tests.unit.settings_bed import config, read

pytestmark = pytest.mark.unit

LOGIN: dict[str, Any] = {"username": "admin", "password": "planted-login"}


async def seen(
    directory: Path, *, acknowledge: tuple[str, ...] = (), old: dict[str, Any] | None = None, **green: Any
) -> Look:
    """The look at a 4.4 with its export on disk."""
    blue = Old(directory / "old", document(), **(old or {}))
    node = {"name": NODE, "api": "http://127.0.0.9:8081", "mqtt": "127.0.0.9:1883"}
    said = {"configuration": [str(blue.directory / "etc")], "exports": {"path": str(blue.directory / "export.json")}}
    settings = read(
        config(
            clusters={
                "blue": {"target": "external", "version": "4.4.19", "edition": "ce", "nodes": [node], **said},
                "green": {"target": "local", "version": "5.8.9", "edition": "ce", "nodes": 1},
            },
            cutover={"steps": [{"share": 100}], "acknowledge": list(acknowledge)},
            workDirectory=str(directory / "work"),
        )
    )
    credentials = {
        "blue": Credentials(api_key="app", api_secret="planted", retained=green.pop("retained", None)),
        "green": Credentials(api_key="upgrade-green", api_secret="planted-green", **green),
    }
    async with blue.api() as api:
        cluster: Any = api
        apis: dict[Colour, Cluster] = {"blue": cluster}
        found = await look(settings, apis, credentials)
    assert found is not None
    assert "planted" not in json.dumps([found.lines, dict(found.missing)])
    return found


async def test_a_preview_says_what_is_converted_lost_begun_with_and_changed(tmp_path: Path) -> None:
    found = await seen(tmp_path, **LOGIN)
    told = "\n".join(found.lines)
    for words in (
        f"its export comes from {tmp_path / 'old' / 'export.json'}",
        "by the export export.json",
        "proof: ",
        "nodes of green begin with, from the configuration of blue: listeners.tcp.default",
        "retained messages: 0",
        "TLS 1.3",
    ):
        assert words in told, words
    assert list(found.missing) == ["backup"], "nobody keeps the nodes of an external colour"
    assert found.facts is not None
    appendix = (tmp_path / "work" / APPENDIX).read_text()
    assert appendix == found.account
    assert "planted" not in appendix
    assert "user-0" in appendix, "each item"
    assert "## Proof" in appendix


async def test_keys_of_applications_are_yours_to_enter_where_nobody_logs_in(tmp_path: Path) -> None:
    by_hand = "green: keys of applications are in bootstrap/api-keys.txt of the archive directory, and not on it"
    assert by_hand in "\n".join((await seen(tmp_path / "a")).lines)
    assert by_hand not in "\n".join((await seen(tmp_path / "b", **LOGIN)).lines)


async def test_each_loss_is_named_by_the_word_that_accepts_it(tmp_path: Path) -> None:
    found = await seen(tmp_path / "a", old={"retained": 5}, acknowledge=("backup",))
    assert list(found.missing) == ["retained"]
    reader = MqttAccount(username="reader", password=SHOP_SECRET)
    assert not (await seen(tmp_path / "b", old={"retained": 5}, acknowledge=("backup",), retained=reader)).missing
