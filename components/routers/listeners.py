"""What a balancer listens on, as the stack file says it: several addresses, each with what carries MQTT there.

The rule: values only, and never a key: a certificate is named by its files, or by its name among the stack's secrets.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from components.cutover.words import Carried
from components.problems import Whole
from components.system.address import HOST
from components.value import Value


def _host(value: str) -> str:
    if not re.fullmatch(rf"\*|{HOST}", value):
        allowed = "a host of this machine, * for all of its addresses of IPv4, [::] for all of both"
        raise PydanticCustomError("host", "{allowed}", {"allowed": allowed})
    return value


Host = Annotated[str, AfterValidator(_host)]


class Certificate(Value):
    """Where a certificate and its key are: two files of PEM, or one text of both under a name in ``emqx:certificates``, or, on Kubernetes, a Secret of type kubernetes.io/tls, or, on AWS, the ARN of one in Certificate Manager (``acm``)."""

    chain: str | None = Field(default=None, min_length=1)
    key: str | None = Field(default=None, min_length=1)
    named: str | None = Field(default=None, min_length=1)
    secret: str | None = Field(default=None, min_length=1)
    acm: str | None = Field(default=None, pattern=r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/.+$")


class Listener(Value):
    """One address; ``client_ca`` is a file of PEM with the authorities whose clients are let in (on Kubernetes ``client_ca_secret`` a Secret with ``ca.crt``), ``accept_proxy`` whether a balancer in front sends the PROXY header. ``node_port`` is the nodes' own port that gets what a balancer passes on without ending its TLS."""

    port: Whole = Field(ge=1, le=65_535)
    host: Host = "*"
    protocol: Carried
    certificate: Certificate | None = None
    client_ca: str | None = Field(default=None, min_length=1)
    client_ca_secret: str | None = Field(default=None, min_length=1)
    accept_proxy: bool = False
    node_port: Whole | None = Field(default=None, ge=1, le=65_535)

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"
