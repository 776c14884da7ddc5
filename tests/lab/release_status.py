"""A process that opens MQTT on every address, answers 200 at /status, no node at /nodes, 204 to a DELETE, and says each request: for more than one node."""

from __future__ import annotations

import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        nodes = self.path == "/api/v5/nodes"
        self.answer(200 if nodes or self.path == "/status" else 404, b"[]" if nodes else b"")

    def do_DELETE(self) -> None:
        self.answer(204)

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    with socket.socket() as mqtt:
        mqtt.bind(("0.0.0.0", 1883))
        mqtt.listen()
        ThreadingHTTPServer((sys.argv[1], 18083), Handler).serve_forever()
