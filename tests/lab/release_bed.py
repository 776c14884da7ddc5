"""An unpacked release that stands in for EMQX: its `bin/emqx` looks at what it is given as EMQX's own script would and then becomes
a lab node. A real release cannot be had here. With it, the operations of LocalCluster as the engine calls them.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.emqx.models import Credentials
from components.local import release_processes
from components.resources.local_cluster import LocalClusterProvider
from lab.stage import ROOT

CREDENTIALS = Credentials(api_key="upgrade-blue", api_secret="planted-secret", username="admin", password='Planted:"1"')

SCRIPT = """#!/bin/sh
# As EMQX's script: one command, variables of the release, everything else from the environment.
set -eu
[ "$1" = foreground ] || { echo "unknown command $1"; exit 64; }
[ $# = 1 ] || { echo "$# arguments"; exit 64; }
. "$(dirname "$0")/../releases/emqx_vars"
address=${EMQX_NODE__NAME#emqx@}
[ -n "$EMQX_NODE__COOKIE" ] || exit 65
[ "$EMQX_CLUSTER__STATIC__SEEDS" != "${EMQX_CLUSTER__STATIC__SEEDS#*"$EMQX_NODE__NAME"}" ] || { echo "not a seed"; exit 65; }
[ "$EMQX_DASHBOARD__LISTENERS__HTTP__BIND" = "$address:18083" ] || exit 65
[ "$ERL_AFLAGS" = "-kernel inet_dist_use_interface {$(echo "$address" | tr . ,)}" ] || exit 65
[ -d "$EMQX_NODE__DATA_DIR" ] && [ -d "$EMQX_LOG_DIR" ] || exit 65
proxy=""
[ "$EMQX_LISTENERS__TCP__DEFAULT__PROXY_PROTOCOL" = true ] && proxy=--proxy-protocol
text() { printf %s "$1" | @PYTHON@ -c 'import json, sys; sys.stdout.write(json.load(sys.stdin))'; }
EMQX_API_KEY__BOOTSTRAP_FILE=$(text "$EMQX_API_KEY__BOOTSTRAP_FILE")
EMQX_DASHBOARD__DEFAULT_PASSWORD=$(text "$EMQX_DASHBOARD__DEFAULT_PASSWORD")
EMQX_DASHBOARD__DEFAULT_USERNAME=$(text "$EMQX_DASHBOARD__DEFAULT_USERNAME")
export EMQX_API_KEY__BOOTSTRAP_FILE EMQX_DASHBOARD__DEFAULT_PASSWORD EMQX_DASHBOARD__DEFAULT_USERNAME
echo "$REL_VSN starts with $(env | grep -c ^EMQX_) settings"
cd @ROOT@
@BECOME@
"""
LAB_NODE = (
    'exec @PYTHON@ -m lab node --directory "$EMQX_NODE__DATA_DIR/lab" --nodes 1 --network "${address%.*}"'
    ' --version "$REL_VSN" --max-sessions 0 $proxy'
)
MEMBER = "export REL_VSN IS_ENTERPRISE; exec @PYTHON@ -m tests.lab.release_node"
"""One node that finds the others, and is found by them."""
ONLY_STATUS = 'exec @PYTHON@ @ROOT@/tests/lab/release_status.py "$address"'
"""For processes that need not know each other."""


def unpacked(directory: Path, become: str, version: str = "5.8.8", *, enterprise: bool = True) -> Path:
    (directory / "bin").mkdir(parents=True)
    (directory / "releases").mkdir()
    said = f'REL_VSN="{version}"\nIS_ENTERPRISE="{"yes" if enterprise else "no"}"\n'
    (directory / "releases" / "emqx_vars").write_text(said)
    script = SCRIPT.replace("@BECOME@", become).replace("@PYTHON@", shlex.quote(sys.executable))
    (directory / "bin" / "emqx").write_text(script.replace("@ROOT@", shlex.quote(str(ROOT))))
    (directory / "bin" / "emqx").chmod(0o755)
    return directory


class Colour:
    """The operations of the resource as the engine calls them, one after the other, with the state between them."""

    def __init__(self, directory: Path, home: Path, nodes: int = 1) -> None:
        self.directory, self.id, self.state = directory, "blue", dict[str, Any]()
        self.props: dict[str, Any] = {
            "name": "blue",
            "colour": "blue",
            "version": "5.8.8",
            "edition": "ee",
            "nodes": nodes,
            "proxy_protocol": True,
            "emqx_home": str(home),
            "directory": str(directory),
        }

    @property
    def provider(self) -> LocalClusterProvider:
        provider = LocalClusterProvider()
        provider.credentials = {"blue": CREDENTIALS}
        return provider

    def up(self, **changes: Any) -> bool:
        """Whether anything had to be done."""
        news = {**self.props, **changes}
        assert not self.provider.check(self.state, news).failures
        if not self.state:
            made = self.provider.create(news)
            self.id, self.state = str(made.id), dict(made.outs or {})
        elif self.provider.diff(self.id, self.state, news).changes:
            self.state = dict(self.provider.update(self.id, self.state, news).outs or {})
        else:
            return False
        return True

    @property
    def nodes(self) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = self.state["handle"]["nodes"]
        return nodes


def gone(pid: int) -> bool:
    return not read(Path(f"/proc/{pid}/environ"))


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@contextmanager
def in_two_versions(directory: Path) -> Iterator[Colour]:
    """Two nodes of 5.8.8, and 5.8.9 unpacked beside it."""
    unpacked(directory / "5.8.9", ONLY_STATUS, "5.8.9")
    colour = Colour(directory / "clusters" / "blue", unpacked(directory / "5.8.8", ONLY_STATUS), 2)
    colour.up()
    try:
        yield colour
    finally:
        release_processes.stop(colour.directory, limit_seconds=5)
