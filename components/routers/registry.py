"""The word in a balancer's handle -> the router that is spoken to; a router of another kind is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from components.cutover.capabilities import (
    HAPROXY,
    HAPROXY_INSTANCES,
    HAPROXY_PODS,
    NETWORK_LOAD_BALANCER,
    ROUTE53,
    SERVICE,
)
from components.emqx.errors import BadInput
from components.emqx.models import BalancerHandle
from components.routers import service
from components.routers.base import Capabilities, Router
from components.routers.haproxy import pods
from components.routers.haproxy import router as haproxy


class Kind(NamedTuple):
    """How a router is made, and what one of its kind can do, which is known before there is one."""

    make: Callable[[BalancerHandle], Router]
    can: Capabilities


def _network_load_balancer(handle: BalancerHandle) -> Router:
    from components.routers.network_load_balancer import (
        NetworkLoadBalancerRouter,  # what AWS needs takes long to be imported
    )

    return NetworkLoadBalancerRouter(handle)


def _instances(handle: BalancerHandle) -> Router:
    from components.routers.haproxy.instances import InstancesRouter  # the same

    return InstancesRouter(handle)


def _route53(handle: BalancerHandle) -> Router:
    from components.routers.route53 import Route53Router  # as above

    return Route53Router(handle)


ROUTERS: Mapping[str, Kind] = {
    "haproxy": Kind(haproxy.HaproxyRouter, HAPROXY),
    "haproxy_instances": Kind(_instances, HAPROXY_INSTANCES),
    "haproxy_pods": Kind(pods.PodsRouter, HAPROXY_PODS),
    "network_load_balancer": Kind(_network_load_balancer, NETWORK_LOAD_BALANCER),
    "route53": Kind(_route53, ROUTE53),
    "service": Kind(service.ServiceRouter, SERVICE),
}


def router_of(handle: BalancerHandle) -> Router:
    """The router behind this handle.

    Raises:
        BadInput: nobody knows this kind.

    """
    return _kind(handle.router).make(handle)


def capabilities_of(word: str) -> Capabilities:
    """What a router of this kind can do.

    Raises:
        BadInput: nobody knows this kind.

    """
    return _kind(word).can


def _kind(word: str) -> Kind:
    if word not in ROUTERS:
        raise BadInput("the balancer's router", seen=word, todo=f"give one of {', '.join(sorted(ROUTERS))}")
    return ROUTERS[word]
