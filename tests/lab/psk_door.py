"""A TLS-PSK door in front of a lab node's MQTT port, made of what was converted, and a client that shakes hands with it.

The lab node has no TLS. This door is what EMQX would open: ``listeners.ssl`` of the nodes' own configuration, with the identities that
the node has after the import of the archive. Both ends are Mbed TLS; whether a handshake succeeds is decided there.
"""

from __future__ import annotations

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from typing import Any

from mbedtls import hashlib, pk, tls, x509
from mbedtls.exceptions import TLSError

from components.mqtt import Connack, Connect, Decoder, encode
from lab.node.kept.store import Store

PATIENCE_SECONDS = 60.0
MOST_BYTES = 1 << 16


class Secured:
    """One end of a TLS connection over a stream."""

    def __init__(self, context: Any, reader: StreamReader, writer: StreamWriter) -> None:
        self.buffer = context.wrap_buffers() if isinstance(context, tls.ServerContext) else context.wrap_buffers(None)
        self.reader, self.writer = reader, writer

    async def handshake(self) -> None:
        """To its end.

        Raises:
            TLSError: it is refused here.
            ConnectionError: it is refused there.

        """
        try:
            while self.buffer._handshake_state != tls.HandshakeStep.HANDSHAKE_OVER:
                try:
                    self.buffer.do_handshake()
                except tls.WantWriteError:
                    self._flush()
                except tls.WantReadError:
                    self._flush()
                    await self._more()
        finally:
            self._flush()

    async def read(self) -> bytes:
        """What comes next, in the clear.

        Raises:
            ConnectionError: the other end is gone.

        """
        data = b""
        while not data:
            try:
                data = bytes(self.buffer.read(MOST_BYTES))
            except tls.WantReadError:
                await self._more()
            else:
                if not data:
                    await self._more()
        return data

    def write(self, data: bytes) -> None:
        """Send it."""
        self.buffer.write(data)
        self._flush()

    def _flush(self) -> None:
        data = bytes(self.buffer.peek_outgoing(MOST_BYTES))
        self.buffer.consume_outgoing(len(data))
        if data:
            self.writer.write(data)

    async def _more(self) -> None:
        data = await self.reader.read(MOST_BYTES)
        if not data:
            raise ConnectionError("the other end is gone")
        self.buffer.receive_from_network(data)


def identities(store: Store) -> dict[str, bytes]:
    """Whom a node knows; nobody where PSK is off."""
    known = {identity: bytes.fromhex(key) for identity, key in store.psk.items()}
    return known if store.effective("psk_authentication")["enable"] else {}


def suites(ciphers: Sequence[str]) -> tuple[str, ...]:
    """Mbed TLS's names of them: ``RSA-PSK-AES128-CBC-SHA`` is ``TLS-RSA-PSK-WITH-AES-128-CBC-SHA``."""
    return tuple(f"TLS-{name.replace('PSK-AES', 'PSK-WITH-AES-')}" for name in ciphers)


@cache
def certificate() -> Any:
    """Of the server, for RSA-PSK; nobody checks it."""
    key = pk.RSA()
    key.generate(2048)
    request = x509.CSR.new(key, "CN=door", hashlib.sha256())
    days = {"not_before": datetime(2020, 1, 1), "not_after": datetime(2050, 1, 1)}  # noqa: DTZ001 - as the library takes them
    made = x509.CRT.selfsign(request, key, serial_number=1, basic_constraints=x509.BasicConstraints(True, 1), **days)
    return (made,), key


def _listener(bootstrap: Mapping[str, str], store: Store) -> tls.TLSConfiguration:
    base = json.loads(bootstrap["base.hocon"])
    options = base["listeners"]["ssl"]["default"]["ssl_options"]
    assert options["versions"] == ["tlsv1.2"], "no PSK with TLS 1.3"
    return tls.TLSConfiguration(
        pre_shared_key_store=identities(store),
        ciphers=suites(options["ciphers"]),
        certificate_chain=certificate(),
        validate_certificates=False,
    )


@asynccontextmanager
async def door(bootstrap: Mapping[str, str], store: Store, behind: tuple[str, int]) -> AsyncIterator[tuple[str, int]]:
    """The address of the TLS listener ``default`` that knows whom ``store`` knows; what comes through the handshake goes to ``behind``."""
    context = tls.ServerContext(_listener(bootstrap, store))
    served: set[asyncio.Task[Any] | None] = set()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        served.add(asyncio.current_task())
        device = Secured(context, reader, writer)
        try:
            await device.handshake()
            back, forth = await asyncio.open_connection(*behind)
        except (TLSError, ConnectionError):
            writer.close()
            return
        try:
            forth.write(await device.read())
            device.write(await back.read(MOST_BYTES))
            await device.read()  # until it goes
        except (TLSError, ConnectionError):
            pass
        finally:
            forth.close()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*filter(None, served))


async def comes_in(address: tuple[str, int], identity: str, key: str, ciphers: Sequence[str]) -> bool:
    """Whether a device with this identity and key shakes hands with the door and gets a CONNACK of 0 behind it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection(*address)
        configuration = tls.TLSConfiguration(
            pre_shared_key=(identity, key.encode()), ciphers=suites(ciphers), validate_certificates=False
        )
        device = Secured(tls.ClientContext(configuration), reader, writer)
        try:
            await device.handshake()
            connect = Connect(f"device-{identity}", keep_alive=0)
            device.write(encode(connect))
            decoder = Decoder(connect.level)
            packets = decoder.feed(await device.read())
        except (TLSError, ConnectionError):
            return False
        finally:
            writer.close()
    return [one.reason for one in packets if isinstance(one, Connack)] == [0]
