"""The part of 4.3's management API that a transfer needs, as it was recorded: plugins that become active late, upload, import, rules with a clock."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from components.migration.permissions.before import Row, evaluation_order

OK = {"code": 0}


@dataclass
class Node:
    """What it has. ``active_after`` looks at the plugins it is active; ``frozen_clock``: everything happens in one millisecond."""

    active_after: int = 0
    frozen_clock: bool = False
    import_answer: dict[str, Any] = field(default_factory=lambda: OK)
    clock: int = 0
    uploaded: dict[str, Any] = field(default_factory=dict)
    imported: dict[str, Any] | None = None
    users_imported: bool = False
    rules: dict[tuple[str, str, str, str], Row] = field(default_factory=dict)
    created: list[tuple[str, Any]] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)

    def answer(self, method: str, path: str, body: Any) -> Any:
        """The answer of one request; text where it is no JSON."""
        self.clock += 0 if self.frozen_clock else 1
        if path == "/status":
            return "Node emqx@127.0.0.1 is started\nemqx is running"
        if path == "/api/v4/plugins":
            self.active_after -= 1
            return {"data": [{"node": "emqx@127.0.0.1", "plugins": [self._plugin()]}], **OK}
        if path == "/api/v4/data/file":
            self.uploaded = json.loads(body["file"])
            return {"data": {"node": "emqx@127.0.0.1"}, **OK}
        if path == "/api/v4/data/import":
            self.imported, self.users_imported = self.uploaded, self.active_after < 0
            return self.import_answer
        if path.startswith("/api/v4/acl"):
            return self._add(body) if method == "POST" else {"data": self._listed(path), **OK}
        self.created.append((path, body))
        return OK

    def _plugin(self) -> dict[str, Any]:
        return {"name": "emqx_auth_mnesia", "type": "auth", "description": "", "active": self.active_after < 0}

    def _add(self, body: dict[str, str]) -> dict[str, Any]:
        kind = next((one for one in ("clientid", "username") if one in body), "all")
        for action in ("pub", "sub") if body["action"] == "pubsub" else (body["action"],):
            row = Row(kind, body.get(kind, ""), body["topic"], action, body["access"], self.clock)
            self.rules[row.kind, row.value, row.topic, row.action] = row
        who = {} if kind != "all" else {"all": "$all"}
        return {"data": {**body, **who, "result": "ok"}, **OK}

    def _listed(self, path: str) -> list[dict[str, str]]:
        _, _, kind, *name = path.removeprefix("/api/v4").split("/")
        kind, value = ("all", "") if kind == "$all" else (kind, unquote(name[0]))
        rows = evaluation_order(row for row in self.rules.values() if (row.kind, row.value) == (kind, value))
        who = {"all": "$all"} if kind == "all" else {kind: value}
        return [{**who, "topic": row.topic, "action": row.action, "access": row.access} for row in rows]


@contextmanager
def served(node: Node) -> Iterator[str]:
    """The address of its API."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            body = json.loads(self.rfile.read(length)) if length else None
            node.authorizations.add(self.headers.get("authorization", ""))
            said = node.answer(self.command, urlsplit(self.path).path, body)
            data = (said if isinstance(said, str) else json.dumps(said)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = handle_one  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_args: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/v4"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
