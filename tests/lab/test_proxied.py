"""A `proxyProtocol` that is not what the listeners want is refused by name before anybody is moved: with it no device would get in."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.emqx.errors import Refused
from components.emqx.models import Credentials, Node
from components.emqx.probes import answers, upgrades
from components.emqx.registry import cluster_of
from components.guards.proxied import refuse_wrong_proxy, refuse_wrong_websocket
from tests.lab.data_bed import KEY, SECRET, cluster

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("wants_header", [True, False])
async def test_a_wrong_proxy_setting_is_refused_with_listener_and_setting(tmp_path: Path, wants_header: bool) -> None:
    options = ("--proxy-protocol",) if wants_header else ()
    async with cluster(tmp_path / "blue", "blue", *options, "--nodes", "1") as one:
        keys = Credentials(api_key=KEY, api_secret=SECRET)
        right = one.handle.model_copy(update={"proxy_protocol": wants_header})
        async with cluster_of(right, keys) as api:
            await refuse_wrong_proxy(api, answers)
        wrong = one.handle.model_copy(update={"proxy_protocol": not wants_header})
        async with cluster_of(wrong, keys) as api:
            told = rf"proxyProtocol is {str(not wants_header).lower()}, and its listener tcp:default has proxy_protocol"
            with pytest.raises(Refused, match=told):
                await refuse_wrong_proxy(api, answers)


@pytest.mark.parametrize("wants_header", [True, False])
async def test_a_listener_for_websocket_has_a_setting_of_its_own(tmp_path: Path, wants_header: bool) -> None:
    options = ("--proxy-protocol",) if wants_header else ()
    async with cluster(tmp_path / "blue", "blue", *options, "--websocket", "--nodes", "1") as one:
        keys = Credentials(api_key=KEY, api_secret=SECRET)
        right = one.handle.model_copy(update={"proxy_protocol": wants_header})
        assert right.nodes[0].ws is not None
        async with cluster_of(right, keys) as api:
            await refuse_wrong_websocket(api, upgrades)
        wrong = one.handle.model_copy(update={"proxy_protocol": not wants_header})
        async with cluster_of(wrong, keys) as api:
            with pytest.raises(Refused, match="its listener ws:default has proxy_protocol"):
                await refuse_wrong_websocket(api, upgrades)
        bare = wrong.nodes[0].model_copy(update={"ws": None})
        async with cluster_of(wrong.model_copy(update={"nodes": (bare,)}), keys) as api:
            await refuse_wrong_websocket(api, upgrades)


async def test_a_node_that_answers_neither_way_is_not_judged(tmp_path: Path) -> None:
    async def silent(_node: Node, _proxied: bool) -> bool:
        return False

    async with cluster(tmp_path / "blue", "blue", "--nodes", "1") as one, one.api() as api:
        await refuse_wrong_proxy(api, silent)
