"""By what servers are trusted is read once, and is as strict as httpx itself."""

from __future__ import annotations

import ssl

import httpx
import pytest

from components.emqx.client import EmqxHttp
from components.emqx.models import ClusterHandle, Credentials, Node
from components.system.trusted import authorities

pytestmark = pytest.mark.unit


def test_it_is_what_httpx_takes_by_itself() -> None:
    own, ours = httpx.create_ssl_context(trust_env=False), authorities()
    assert (ours.verify_mode, ours.check_hostname) == (own.verify_mode, own.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert ours.get_ca_certs() == own.get_ca_certs()


async def test_the_certificates_of_all_authorities_are_not_read_anew_for_each_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authorities()
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", None)
    node = Node(name="emqx@127.0.0.1", api="http://127.0.0.1:18083", mqtt="127.0.0.1:1883")
    handle = ClusterHandle(colour="blue", nodes=(node,), version="5.8.6")
    async with EmqxHttp(handle, Credentials(api_key="key", api_secret="planted"), root="/api/v5"):
        pass
