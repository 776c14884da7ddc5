"""Addresses as they stand in a stack file, and their parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.system.address import Address, parsed, port_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "host", "port", "is_name"),
    [
        ("10.0.0.1:1883", "10.0.0.1", 1883, False),
        ("[::1]:1883", "::1", 1883, False),
        ("[2001:DB8::5]:18083", "2001:DB8::5", 18083, False),
        ("emqx-0.emqx:1883", "emqx-0.emqx", 1883, True),
        ("*:1883", "", 1883, False),
        (":0", "", 0, False),
        ("[::]:1883", "::", 1883, False),
    ],
)
def test_an_ipv6_host_loses_its_brackets_and_nothing_else(text: str, host: str, port: int, is_name: bool) -> None:
    found = parsed(text)
    assert (found.host, found.port, found.is_name) == (host, port, is_name)
    assert parsed(str(found)) == found


@pytest.mark.parametrize(
    "text", ["", "host", "host:", "host:x", "::1:1883", "::1", "[::1]", "[host]:1", "host:65536", "host:²"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        parsed(text)


@given(st.ip_addresses().map(str), st.integers(0, 65_535))
def test_every_address_is_read_back(host: str, port: int) -> None:
    assert parsed(str(Address(host, port))) == (host, port)


@pytest.mark.parametrize("bind", ["0.0.0.0:1883", "[::]:1883", ":1883", "1883", 1883])
def test_a_listeners_port_is_read_however_it_is_written(bind: object) -> None:
    assert port_of(bind) == 1883
