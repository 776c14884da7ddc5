"""The script of the guide, as it stands there, on a lab node: it sends all, and what green refuses is shown in green's words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.migration.hop_44_5 import Conversion
from lab.node.kept.records import DashboardUser
from lab.node.process import Managed
from tests.lab.converted_bed import login
from tests.lab.recordings.bed import cluster, host
from tests.lab.recordings.world import ENVIRONMENT
from tests.unit.hop_44_5_bed import run

pytestmark = pytest.mark.lab

GUIDE = Path(__file__).parents[2] / "docs/migrate-4.4-to-5.md"
SETTINGS = {"auth.user.1.username": "joe", "auth.user.1.password": "word", "allow_anonymous": "false"}
PATIENCE_SECONDS = 60.0


def converted(directory: Path, edition: str) -> Conversion:
    conversion = run({}, SETTINGS, {"loaded_plugins": "{emqx_auth_mnesia, true}.\n"}, to="5.8.9", edition=edition)
    for name, content in conversion.files().items():
        path = directory / "new" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return conversion


async def sent(directory: Path, managed: Managed) -> tuple[int | None, str, str]:
    password = ENVIRONMENT["EMQX_DASHBOARD__DEFAULT_PASSWORD"]
    found = re.search(r"<<'SCRIPT'\n(.+?)\nSCRIPT", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    script = directory / "send.sh"
    script.write_text(found[1], encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *("bash", str(script), str(directory / "new"), f"http://{host(managed)}:18083/api/v5"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await process.communicate(f"{password}\n".encode())
    return process.returncode, out.decode(), err.decode()


async def test_all_is_sent_and_a_client_of_4_4_gets_in(tmp_path: Path) -> None:
    conversion = converted(tmp_path, "ce")
    async with cluster(tmp_path / "node", nodes=1, edition="ce", version="5.8.9") as managed:
        status, out, err = await sent(tmp_path, managed)
        assert (status, err) == (0, "")
        assert f"imported {conversion.archive_name}, sent {len(conversion.requests)} requests" in out
        assert [await login(managed, "joe", word) == 0 for word in (b"word", b"other")] == [True, False]


class LateUsers(dict[str, DashboardUser]):
    """A node that has opened its API and has not loaded its dashboard users yet: it knows nobody for the first looks."""

    missed = 0

    def __init__(self, users: Mapping[str, DashboardUser], blind: int) -> None:
        super().__init__(users)
        self.blind = blind

    def get(self, key: str, default: Any = None, /) -> Any:
        if key == "admin" and self.missed < self.blind:
            self.missed += 1
            return default
        return super().get(key, default)


@pytest.mark.parametrize(("blind", "status", "missed"), [(1, 0, 1), (9, 1, 3)])
async def test_a_login_that_is_refused_just_after_the_start_is_tried_again_and_not_for_ever(
    tmp_path: Path, blind: int, status: int, missed: int
) -> None:
    conversion = converted(tmp_path, "ce")
    async with cluster(tmp_path / "node", nodes=1, edition="ce", version="5.8.9") as managed:
        users = managed.store.dashboard_users = LateUsers(managed.store.dashboard_users, blind)
        found, out, err = await sent(tmp_path, managed)
        assert (found, users.missed) == (status, missed)
        assert (f"imported {conversion.archive_name}" in out) is (status == 0)
        assert bool(re.search(r"refused \(401\): http://\S+/login\n\{.*BAD_USERNAME_OR_PWD.*\}", err)) is (status == 1)
        if status == 0:
            assert await login(managed, "joe", b"word") == 0


async def test_an_archive_of_the_other_edition_is_refused_and_the_reason_is_shown(tmp_path: Path) -> None:
    converted(tmp_path, "ee")
    async with cluster(tmp_path / "node", nodes=1, edition="ce", version="5.8.9") as managed:
        status, _, err = await sent(tmp_path, managed)
    assert status == 1
    assert re.search(r"refused \(400\): http://\S+/data/files\n\{.*\"message\".*\}", err), err
