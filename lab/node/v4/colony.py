"""What a 4.x cluster has besides its broker: configuration files, the plugins that run on each node, and how a node starts.

The rule: a node's plugins come one after the other, and everything that asks for them (users, rules, an import, a path of the API) sees those that are there.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from lab.node.api.host import Host
from lab.node.api.server import ApiServer
from lab.node.kept.old import Admin, App
from lab.node.rules.acl_file import FileRule, parse_rules
from lab.node.scaled import Scaled
from lab.node.v4 import etc
from lab.node.v4.hashes import admin_secret
from lab.node.v4.judges import Judge
from lab.node.v4.line import ENGINE, MNESIA, Line, line_of

_PUBSUB = re.compile(r",\s*pubsub\s*,")


@dataclass(frozen=True)
class Start(Scaled):
    """Seconds of a start (V_*_boot_stop): until the first port is open, until the other one, until the authentication plugin, until all.

    4.2 loads its plugins before the first port and opens MQTT last.
    """

    first: float = 4.2
    second: float = 0.06
    authentication: float = 0.12
    all: float = 0.06


class Colony:
    """The 4.x side of one cluster.

    Attributes:
        host: its cluster and tables.  line: what its version does.  home: its directory.  directory: of its configuration files.
        settings: what they said at the last start.
        kinds: node -> the kind of 4.2's users that an import has named there since it started.
        start, sleep: how long a start takes, and who waits so long.

    """

    def __init__(self, host: Host, line: Line, environment: Mapping[str, str]) -> None:
        """Lay the files down where there are none, read them, and let the broker ask here."""
        self.host, self.line, self._environment = host, line, dict(environment)
        self.settings: dict[str, str] = {}
        self.start = Start().scaled(host.settings.boot_factor)
        self.sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.random = Random()
        self._active: dict[str, tuple[str, ...]] = {}
        self._started: set[str] = set()
        self.kinds: dict[str, str] = {}
        self._file_rules: tuple[FileRule, ...] = ()
        self.home, proxied = host.settings.directory, host.settings.proxy_protocol
        self.directory = etc.lay_down(self.home, line, host.network, proxy_protocol=proxied)
        self.read()
        judge = Judge(line, host.store, self.settings, lambda: self._file_rules, self.active)
        host.cluster.judge_by(judge, judge)

    def read(self) -> None:
        """Read the configuration files, as every start does."""
        self.settings.clear()
        self.settings |= etc.read(self.directory, self._environment)
        self.host.store.config_file.update(etc.roots(self.settings))
        self.host.store.boot()
        text = (self.directory / "acl.conf").read_text()
        self._file_rules = parse_rules(_PUBSUB.sub(", all,", text))
        self._accounts()

    def _accounts(self) -> None:
        """The application and the dashboard user of the configuration, and the applications of the bootstrap file."""
        tables, settings = self.host.store.old, self.settings
        if tables.plugins is None:
            tables.plugins = etc.read_loaded(etc.loaded_file(self.home))
        app = settings.get("management.default_application.id", "admin")
        secret = settings.get("management.default_application.secret", "public")
        tables.apps.setdefault(app, App(app, secret, "Default", "Application user"))
        user = settings.get("dashboard.default_user.login") or settings.get("dashboard.default_username", "admin")
        if user not in tables.admins:
            password = settings.get("dashboard.default_user.password") or settings.get(
                "dashboard.default_password", "public"
            )
            tables.admins[user] = Admin(user, admin_secret(password, self.random))
        file = settings.get("management.bootstrap_apps_file") or settings.get("api_key.bootstrap_file")
        for line in Path(file).read_text().splitlines() if file else ():
            name, colon, word = line.strip().partition(":")
            if colon:
                tables.apps.setdefault(name, App(name, word.partition(":")[0], name, "from the bootstrap file"))

    def active(self, node: str) -> Collection[str]:
        """The plugins that run on a node now."""
        return self._active.get(node, ())

    def line_at(self, node: str) -> Line:
        """What the version of a node does: nodes of two lines may be in one cluster."""
        return line_of(self.host.cluster.nodes[node].terms.version) or self.line

    def stamp(self) -> int:
        """Unix milliseconds, as a row is given them."""
        return int(self.host.clock.now() * 1000)

    def started(self, node: str) -> bool:
        """Whether a node has come to the end of its start."""
        return node in self._started

    def plugged(self, plugin: str, *, loaded: bool) -> None:
        """A plugin is loaded or unloaded, on every node that runs (`PUT /nodes/:node/plugins/:plugin/load`)."""
        plugins = self.host.store.old.plugins or []
        if loaded and plugin not in plugins:
            plugins.append(plugin)
        elif not loaded and plugin in plugins:
            plugins.remove(plugin)
        self._active = {name: tuple(plugins) for name in self._active}
        for name in self._active:
            self._say_loaded(name)

    async def boot(self, name: str, server: ApiServer) -> None:
        """Start a node; raises OSError when an address is taken."""
        self._started.discard(name)
        self._active[name] = ()
        self.kinds.pop(name, None)
        self.read()
        self._say_loaded(name)
        await self.sleep(self.start.first)
        if self.line_at(name).listeners_first:
            await self._listeners_first(name, server)
        else:
            self._active[name] = tuple(self.host.store.old.plugins or ())
            await server.start()
            await self.sleep(self.start.second)
            await self.host.cluster.nodes[name].start()
        self._started.add(name)

    def _say_loaded(self, name: str) -> None:
        """The file ``loaded_plugins`` of its data directory."""
        place = self.host.place(name) / "loaded_plugins"
        etc.write_loaded(place, self.line_at(name), self.host.store.old.plugins or ())

    async def _listeners_first(self, name: str, server: ApiServer) -> None:
        """4.3 and 4.4: the port is open before anybody is asked."""
        plugins = self.host.store.old.plugins or []
        if not self.host.settings.boot_factor:
            self._active[name] = tuple(plugins)
        await self.host.cluster.nodes[name].start()
        await self.sleep(self.start.second)
        late = {ENGINE, MNESIA, "emqx_web_hook"}
        self._active[name] = tuple(one for one in plugins if one not in late)
        if not self.host.settings.boot_factor:
            self._active[name] = tuple(plugins)
        await server.start()
        await self.sleep(self.start.authentication)
        self._active[name] = tuple(one for one in plugins if one != "emqx_web_hook")
        await self.sleep(self.start.all)
        self._active[name] = tuple(self.host.store.old.plugins or ())
