"""A device that could not shake hands with 4.4 cannot with green, and one that could does: a real handshake decides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from components.migration.hop_44_5 import Conversion
from components.migration.hop_44_5.listeners import PSK_CIPHERS
from lab.node.archive.backup import read
from lab.node.archive.importing import restore
from lab.node.kept.store import Store
from lab.node.process import Managed
from tests.lab.psk_door import comes_in, door
from tests.lab.recordings.bed import cluster, host
from tests.unit.hop_44_5_bed import run

pytestmark = pytest.mark.lab

SAMPLE, EDITED = "client1:1234\nclient2:abcd\n", "pump-7:00ff\n"
FILES = {"untouched": SAMPLE, "edited": EDITED, "both": SAMPLE + EDITED, "ends early": f"{EDITED}\n{SAMPLE}"}
LOADED = {"on": "{emqx_psk_file, true}.\n", "off": "{emqx_psk_file, false}.\n", "not named": "{emqx_recon, true}.\n"}
KNOWN = {"client1": "1234", "client2": "abcd", "pump-7": "00ff"}


def converted(text: str, loaded: str, ciphers: str) -> Conversion:
    settings = {
        "psk.file.path": "etc/psk.txt",
        "psk.file.delimiter": ":",
        "allow_anonymous": "true",
        "listener.ssl.external": "8883",
        "listener.ssl.external.tls_versions": "tlsv1.2",
        "listener.ssl.external.psk_ciphers": ciphers,
    }
    return run({}, settings, {"etc/psk.txt": text, "loaded_plugins": loaded}, to="5.8.9", edition="ce")


def of_4_4(text: str, loaded: str) -> set[str]:
    """Whom 4.4 lets in: with the plugin, the identities up to the first line without a colon."""
    return {line.partition(":")[0] for line in text.partition("\n\n")[0].split()} if loaded == LOADED["on"] else set()


async def imported(conversion: Conversion) -> Store:
    """What a new node has when the archive is imported."""
    store = Store()
    failed = await restore(store, read(conversion.archive_name, conversion.archive), path="", index_rate=0)
    assert failed == []
    return store


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Managed]:
    async with cluster(tmp_path, nodes=1, edition="ce", version="5.8.9") as managed:
        yield managed


async def test_a_handshake_decides_as_4_4_did(node: Managed) -> None:
    for file, text in FILES.items():
        for plugin, loaded in LOADED.items():
            ciphers = PSK_CIPHERS[:1] if plugin == "on" else PSK_CIPHERS
            conversion = converted(text, loaded, ",".join(ciphers))
            async with door(conversion.bootstrap, await imported(conversion), (host(node), 1883)) as address:
                came = {name for name, key in KNOWN.items() if await comes_in(address, name, key, ciphers)}
                wrong = {name for name in KNOWN if await comes_in(address, name, "ffff", ciphers)}
            assert (came, wrong) == (of_4_4(text, loaded), set()), f"{file}, plugin {plugin}"


@pytest.mark.parametrize("cipher", PSK_CIPHERS)
async def test_each_cipher_that_4_4_took_is_taken(node: Managed, cipher: str) -> None:
    conversion = converted(EDITED, LOADED["on"], cipher)
    other = next(name for name in PSK_CIPHERS if name != cipher)
    async with door(conversion.bootstrap, await imported(conversion), (host(node), 1883)) as address:
        assert await comes_in(address, "pump-7", "00ff", [cipher])
        assert not await comes_in(address, "pump-7", "00ff", [other])
