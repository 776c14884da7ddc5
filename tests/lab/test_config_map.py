"""The ledger in a ConfigMap: what is written can be read, nobody writes over what another wrote, and who died is passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.emqx.errors import BadInput, GaveUp, LeaseLost, NotNow, Unauthorized, Unreachable
from components.kubernetes import loop
from components.kubernetes.patience import outlasting
from components.kubernetes.place import Place
from components.ledger.base import LEASE, Record
from components.ledger.config_map import HOLDER, ConfigMapLedger
from tests.lab.kubernetes_bed import FakeKubernetes, served

pytestmark = pytest.mark.lab
PLACE = Place(namespace="mqtt")
NAME = "emqx-cutover"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetes]:
    fake = FakeKubernetes()
    with served(fake, tmp_path) as kubeconfig:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield fake
        loop.close()


def ledger(**bounds: float) -> ConfigMapLedger:
    return ConfigMapLedger(PLACE, NAME, **bounds)


async def test_what_was_written_is_read_and_is_legible(fake: FakeKubernetes) -> None:
    async with ledger().held(None) as writing:
        await writing.write({LEASE: "run-1", "origin": "blue"}, share=2_500)
    assert await ledger().read() == Record(2_500, {LEASE: "run-1", "origin": "blue"})
    assert fake.config_maps[NAME]["data"] == {
        "share.map": "green 2500\n",
        "memory.run": "run-1",
        "memory.origin": "blue",
    }


async def test_no_ledger_is_no_share(fake: FakeKubernetes) -> None:
    assert await ledger().read() == Record()


async def test_a_share_that_was_set_meanwhile_is_kept(fake: FakeKubernetes) -> None:
    async with ledger().held(None) as writing:
        await writing.write(share=1_000)
    async with ledger(stale_seconds=0).held(None) as slow:
        async with ledger(stale_seconds=0).held(None) as fast:
            await fast.write(share=5_000)
        with pytest.raises(NotNow, match="another process has taken it"):
            await slow.write(share=0)
    assert (await ledger().read()).share == 5_000


async def test_who_lost_the_lease_writes_nothing(fake: FakeKubernetes) -> None:
    async with ledger().held(None) as writing:
        await writing.write({LEASE: "run-2"}, share=1_000)
    before = fake.config_maps[NAME]["data"]
    with pytest.raises(LeaseLost):
        async with ledger().held("run-1"):
            pass
    assert fake.config_maps[NAME]["data"] == before
    assert HOLDER not in fake.config_maps[NAME]["metadata"]["annotations"], "or the next one would wait for it"


async def test_a_holder_that_goes_on_is_waited_for_no_longer_than_patience(fake: FakeKubernetes) -> None:
    async with ledger().held(None):
        with pytest.raises(GaveUp, match="held by another process"):
            async with ledger(patience_seconds=0).held(None):
                pass


async def test_a_holder_that_died_is_passed_over(fake: FakeKubernetes) -> None:
    async with ledger().held(None) as writing:
        await writing.write(share=10)
    fake.config_maps[NAME]["metadata"]["annotations"] = {HOLDER: "died"}
    async with ledger(stale_seconds=0.3).held(None) as writing:
        assert writing.record.share == 10


async def test_a_name_that_no_config_map_takes_is_refused(fake: FakeKubernetes) -> None:
    async with ledger().held(None) as writing:
        with pytest.raises(BadInput):
            await writing.write({"a name": "x"})


async def test_an_api_server_that_is_away_is_retryable_and_says_so(fake: FakeKubernetes) -> None:
    fake.away = True
    with pytest.raises(NotNow, match="reading the ledger"):
        await ledger().read()


async def test_within_an_update_one_that_comes_back_is_waited_for(fake: FakeKubernetes) -> None:
    async with ledger().held(None) as writing:
        await writing.write(share=10)
    fake.away = True
    asyncio.get_running_loop().call_later(0.5, setattr, fake, "away", False)
    with outlasting(120):
        assert (await ledger().read()).share == 10


@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_a_write_whose_answer_was_lost_is_found_to_be_ours(fake: FakeKubernetes, lost: int) -> None:
    """The taking, the write, and both after one another."""
    with outlasting(120):
        fake.lost = int(lost != 2)
        async with ledger().held(None) as writing:
            fake.lost = int(lost != 1)
            await writing.write({LEASE: "run-1"}, share=2_500)
    assert await ledger().read() == Record(2_500, {LEASE: "run-1"})


async def test_no_kubeconfig_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises((Unreachable, Unauthorized), match="KUBECONFIG"):
        await ledger().read()
    loop.close()


async def test_another_kubeconfig_is_another_server_and_never_the_one_that_was_asked_first(
    fake: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ledger().held(None) as writing:
        await writing.write(share=2_500)
    other = FakeKubernetes()
    (tmp_path / "other").mkdir()
    with served(other, tmp_path / "other") as kubeconfig:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        assert await ledger().read() == Record()
        assert other.requests == [f"GET mqtt/configmaps/{NAME}"]
        loop.close()


async def test_a_named_context_and_the_current_one_are_asked_each_by_itself(fake: FakeKubernetes) -> None:
    named = ConfigMapLedger(Place(namespace="mqtt", context="lab"), NAME)
    async with named.held(None) as writing:
        await writing.write(share=2_500)
    assert await ledger().read() == await named.read()
