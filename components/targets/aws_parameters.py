"""The parameters of a colour on AWS as Pulumi's own resources: what its instances read when they boot.

The rule: what is secret is a SecureString and a secret of Pulumi's; the cookie is kept for the colour's life, since a node that is started with another one
never finds the rest of its cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_aws.ssm.parameter import Parameter

from components.aws import names
from components.emqx.models import Credentials
from components.machines import parameters as texts
from components.machines.words import Declared, Machines


def before_nodes(
    what: Declared,
    machines: Machines,
    credentials: Mapping[str, Credentials],
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """Those that are known before there is an instance; in a preview without credentials the secret ones are left out."""
    made = [_parameter(what, texts.DECLARED, texts.declared(machines, what), tags, opts)]
    mine = credentials.get(what.colour)
    if mine is None:
        return made
    kept = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["value"]))
    cookie = texts.cookie(what, credentials.get(what.joins, mine))
    return [
        *made,
        _secret(what, texts.COOKIE, cookie, machines, tags, kept),
        _secret(what, texts.SETTINGS, texts.settings(what, mine), machines, tags, opts),
        _secret(what, texts.API_KEYS, texts.api_keys(mine), machines, tags, opts),
    ]


def begins(
    what: Declared, born: Mapping[str, Any] | None, tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    """What stays when the colour that it came from has left: nobody can compute it any more then."""
    kept = pulumi.ResourceOptions(ignore_changes=["value"] if born is None else [])
    return _parameter(what, texts.BORN, texts.born(born or {}), tags, pulumi.ResourceOptions.merge(opts, kept))


def of_nodes(
    what: Declared,
    machines: Machines,
    addresses: Sequence[pulumi.Output[str]],
    beside: pulumi.Input[dict[str, Any]] | None,
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """Those that name the nodes; an instance that boots waits for them."""
    there = pulumi.Output.from_input(beside or {}).apply(_names)
    known = pulumi.Output.all(addresses=pulumi.Output.all(*addresses), beside=there)
    named = known.apply(lambda one: texts.nodes(one["addresses"]))
    config = known.apply(lambda one: texts.config(machines, what, one["addresses"], one["beside"]))
    return [
        _parameter(what, texts.NODES, named, tags, opts),
        _parameter(what, texts.CONFIG, config, tags, opts),
    ]


def _names(handle: Mapping[str, Any]) -> list[str]:
    return [str(node["name"]) for node in handle.get("nodes", ())]


def _parameter(
    what: Declared, word: str, value: pulumi.Input[str], tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    return Parameter(
        f"{what.colour}-{word}",
        name=f"{names.parameters(what.prefix, what.colour)}/{word}",
        type="String",
        tier="Intelligent-Tiering",
        value=value,
        tags=dict(tags),
        opts=opts,
    )


def _secret(
    what: Declared, word: str, value: str, machines: Machines, tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    return Parameter(
        f"{what.colour}-{word.replace('/', '-')}",
        name=f"{names.parameters(what.prefix, what.colour)}/{word}",
        type="SecureString",
        key_id=machines.kms_key,
        tier="Intelligent-Tiering",
        value=pulumi.Output.secret(value),
        tags=dict(tags),
        opts=opts,
    )
