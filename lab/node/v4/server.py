"""The two HTTP ports of a 4.x node: management (8081) and dashboard (18083)."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from lab.node.api.server import ApiServer
from lab.node.v4.app import OldApi

API_PORT, DASHBOARD_PORT = 8081, 18083


class OldServer(ApiServer):
    """Both, opened and closed together; as an `ApiServer` it is the management port."""

    def __init__(self, api: OldApi, host: str, wall_seconds: float) -> None:
        """Nothing is opened yet."""
        super().__init__(api, host, API_PORT, wall_seconds)
        self.dashboard = ApiServer(_Dashboard(api), host, DASHBOARD_PORT, wall_seconds)

    async def start(self) -> None:
        """Open both."""
        await super().start()
        await self.dashboard.start()

    async def stop(self) -> None:
        """Close both."""
        await super().stop()
        await self.dashboard.stop()


class _Dashboard:
    """The same API, for the dashboard's port."""

    def __init__(self, api: OldApi) -> None:
        self._api = api
        self.managed = api.managed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request to port 18083."""
        await self._api.answer(scope, receive, send, dashboard=True)
