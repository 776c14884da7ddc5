"""A process that opens MQTT on every address, answers 200 at /status and 204 to a DELETE, and says each request: for more than one node."""

from __future__ import annotations

import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(200 if self.path == "/status" else 404)

    def do_DELETE(self) -> None:
        self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    with socket.socket() as mqtt:
        mqtt.bind(("0.0.0.0", 1883))
        mqtt.listen()
        ThreadingHTTPServer((sys.argv[1], 18083), Handler).serve_forever()
