"""A conversion from 4.4 on a lab node, given to it as the guide says: archive, import, requests in their order."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from components.migration.hop_44_5 import Conversion
from components.mqtt import Connect
from lab.node.process import Managed
from tests.lab.node_mqtt_client import RawClient
from tests.lab.recordings.bed import api, cluster, host


@asynccontextmanager
async def green(directory: Path, conversion: Conversion) -> AsyncIterator[Managed]:
    """One open source node of the version that was converted to, with what was converted."""
    name = conversion.archive_name
    async with cluster(directory, nodes=1, edition="ce", version=conversion.target) as managed:
        async with api(managed) as calls:
            answers = [
                await calls.post("/data/files", files={"filename": (name, conversion.archive)}),
                await calls.post("/data/import", json={"filename": name}),
            ]
            for one in conversion.requests:
                if one.upload:
                    files = {"filename": (one.upload, json.dumps(one.body).encode())}
                    answers.append(await calls.post(one.path, files=files))
                else:
                    answers.append(await calls.request(one.method, one.path, json=one.body))
        refused = [(one.request.url.path, one.status_code, one.text[:300]) for one in answers if one.is_error]
        assert not refused, refused
        yield managed


async def login(managed: Managed, user: str | None, password: bytes | None) -> int:
    """The code that a real client gets for its CONNECT."""
    connect = Connect("device-1", username=user, password=password, keep_alive=0)
    async with RawClient((host(managed), 1883), connect) as one:
        return (await one.connack()).reason
