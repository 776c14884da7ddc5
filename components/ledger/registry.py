"""The word in a balancer's handle -> where its cutovers are remembered; a ledger of another kind is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from components.emqx.errors import BadInput
from components.emqx.models import BalancerHandle
from components.kubernetes import names
from components.ledger.base import Ledger
from components.ledger.config_map import ConfigMapLedger
from components.ledger.files import FilesLedger


def _config_map(handle: BalancerHandle) -> Ledger:
    if handle.pods is None:
        raise BadInput("the balancer's ledger", seen="a config_map without a namespace", todo="give its place (pods)")
    return ConfigMapLedger(handle.pods, names.ledger(handle.maps))


def _dynamodb(handle: BalancerHandle) -> Ledger:
    if handle.aws is None:
        raise BadInput("the balancer's ledger", seen="a table without a region", todo="give its place (aws)")
    from components.ledger.dynamodb import DynamodbLedger, slow  # what AWS needs takes long to be imported

    make = DynamodbLedger if handle.tier is None else slow
    return make(handle.aws.region, handle.maps)


LEDGERS: Mapping[str, Callable[[BalancerHandle], Ledger]] = {
    "files": lambda handle: FilesLedger(Path(handle.maps)),
    "config_map": _config_map,
    "dynamodb": _dynamodb,
}


def ledger_of(handle: BalancerHandle) -> Ledger:
    """The ledger that belongs to this balancer.

    Raises:
        BadInput: nobody knows this kind.

    """
    make = LEDGERS.get(handle.ledger)
    if make is None:
        raise BadInput("the balancer's ledger", seen=handle.ledger, todo=f"give one of {', '.join(sorted(LEDGERS))}")
    return make(handle)
