"""What a command of the owner of machines gets, and how it ends: by itself, in time, or with the update."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from components.emqx.errors import GaveUp, Refused, Stopped
from components.emqx.models import Credentials, KeeperHandle
from components.keepers import commands as by_commands
from components.keepers.base import Running
from components.system.command import CommandFailed, output_of
from tests.handles import cluster_at
from tests.lab.release_bed import gone

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

PYTHON = sys.executable


async def test_a_command_gets_the_named_part_of_our_environment_and_its_secrets_and_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "planted")
    monkeypatch.setenv("KUBECONFIG", "its/file")
    shown = [PYTHON, "-c", "import os; print(sorted(os.environ))"]
    out = (await output_of(shown, limit_seconds=60, environment={"EMQX_LICENSE__KEY": "k"})).decode()
    assert "PASSPHRASE" not in out
    assert "EMQX_LICENSE__KEY" in out
    assert "KUBECONFIG" in out, "a command may well be kubectl"
    with pytest.raises(CommandFailed, match=r"has not ended after 0\.5 s"):
        await output_of([PYTHON, "-c", "import time; time.sleep(600)"], limit_seconds=0.5)
    with pytest.raises(CommandFailed, match="ended with status 3: it says why"):
        await output_of([PYTHON, "-c", "import sys; sys.stderr.write('it says why'); sys.exit(3)"], limit_seconds=60)
    (tmp_path / "in").write_bytes(b"x" * 100_000)
    copied = [PYTHON, "-c", "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"]
    assert await output_of(copied, limit_seconds=60, given=tmp_path / "in", into=tmp_path / "out") == b""
    assert (tmp_path / "out").read_bytes() == b"x" * 100_000
    assert (tmp_path / "out").stat().st_mode & 0o077 == 0


async def test_a_command_is_ended_with_what_it_started_when_the_update_is_interrupted(tmp_path: Path) -> None:
    child = "import time; time.sleep(600)"
    script = f"import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', {child!r}]); open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); time.sleep(600)"

    def interrupted() -> None:
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            raise Stopped("this update", seen="Ctrl-C", todo="again")

    with pytest.raises(Stopped):
        await output_of([PYTHON, "-c", script], limit_seconds=120, interrupted=interrupted)
    pid, end = int((tmp_path / "pid").read_text()), asyncio.get_running_loop().time() + 60
    while not gone(pid):
        assert asyncio.get_running_loop().time() < end, "the child of the command still runs"
        await asyncio.sleep(0.1)


class Played(by_commands.CommandKeeper):
    """``answers`` is what the node's API says at each look."""

    def __init__(self, script: str, answers: list[Running | None]) -> None:
        words = dict.fromkeys(("stop", "start", "backUp", "restore", "setAside"), (PYTHON, "-c", script, "{version}"))
        where = KeeperHandle(kind="commands", place="", commands=words, seconds=30)
        key = Credentials(api_key="k", api_secret="s", license="the-licence-key")
        super().__init__(cluster_at("a", colour="blue"), where, key, lambda: None)
        self.answers = answers

    async def runs(self, node: str) -> Running | None:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def test_a_licence_is_in_the_commands_environment_for_enterprise_only_and_in_no_error() -> None:
    asks = "import os, sys; sys.exit(0 if ('EMQX_LICENSE__KEY' in os.environ) == (sys.argv[1] == '5.9.0') else 4)"
    await Played(asks, [None, Running("5.9.0", "ee")]).start("emqx@a", "5.9.0", "ee")
    await Played(asks, [None, Running("5.8.9", "ce")]).start("emqx@a", "5.8.9", "ce")
    tells = "import os, sys; sys.stderr.write('bad key ' + os.environ['EMQX_LICENSE__KEY']); sys.exit(1)"
    with pytest.raises(GaveUp, match=r"bad key \*\*\*") as caught:
        await Played(tells, [None]).start("emqx@a", "5.9.0", "ee")
    assert "the-licence-key" not in str(caught.value)
    assert "emqx:clusters.blue.keeper.start" in str(caught.value)


async def test_a_node_that_runs_it_already_is_not_started_again() -> None:
    await Played("raise SystemExit(9)", [Running("5.8.9", "ce")]).start("emqx@a", "5.8.9", "ce")
    with pytest.raises(Refused, match=r"5\.8\.8 \(ce\) runs there"):
        await Played("raise SystemExit(9)", [Running("5.8.8", "ce")]).start("emqx@a", "5.8.9", "ce")
