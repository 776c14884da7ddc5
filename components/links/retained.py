"""Retained messages from a colour whose API lists none to one without them: counted before, copied over MQTT, compared afterwards.

Rule: without an account that may read them they are a loss that is counted and has to be acknowledged; each is published again as it was,
so that it may be done again at any point.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.cutover.words import Colour
from components.emqx import retained
from components.emqx.base import Cluster
from components.emqx.errors import Refused, VerificationFailed
from components.emqx.models import MqttAccount, Node
from components.emqx.retained import Reader
from components.links.data_export import running_node
from components.mqtt import Publish
from components.run.run import Run
from components.value import Value

_EVERYTHING = [{"permission": "allow", "action": "all", "topic": "#"}]
_PROGRESS_EVERY = 2_000
_MOST_TOLD = 5
PAUSES_SECONDS = (0.0, 1.5)


class Copied(Value):
    """How many the source counts (None: unknown), how many of them could be read, were published, and are on the target as they were on the source."""

    counted: int | None
    read: int
    published: int
    compared: int = 0


def unread(counted: int | None, account: MqttAccount | None, *, acknowledged: bool) -> dict[str, str]:
    """What has to be acknowledged and is not, by its word."""
    if account is not None or counted == 0 or acknowledged:
        return {}
    count = "an unknown number of" if counted is None else f"{counted}"
    return {
        "retained": f"{count} retained messages are in no export of 4.x and in no API, and no account may read them"
    }


async def count_or_refuse(run: Run, source: Colour, account: MqttAccount | None, *, acknowledged: bool) -> None:
    """Refuse a loss before anything is touched.

    Raises:
        Refused: there are some, nobody may read them, and nobody acknowledged the loss.

    """
    lost = unread(await run.clusters[source].retained_messages(), account, acknowledged=acknowledged)
    if lost:
        raise Refused(
            "copying retained messages",
            node=source,
            seen=lost["retained"],
            todo=f"pulumi config set --secret --path emqx:credentials.{source}.retained.username (and .password) of a client that may"
            " subscribe to everything, or accept the loss: emqx:cutover: acknowledge: [retained]",
        )


async def copy(run: Run, source: Colour, target: Colour, account: MqttAccount | None) -> tuple[Copied, list[str]]:
    """Copy all of them; the topics that were published.

    Raises:
        Refused, Rejected, NotNow: as ``emqx.retained`` says.
        VerificationFailed: one is not there as it was; names topics, never what they hold.

    """
    blue, green = run.clusters[source], run.clusters[target]
    counted = await blue.retained_messages()
    if account is None:
        run.record("loss", section="retained", count=counted, acknowledged=True)
        return Copied(counted=counted, read=0, published=0), []
    reader = Reader.declared(await _node(blue), account, proxied=blue.handle.proxy_protocol)
    topics = await retained.topics(reader, most=counted)
    run.progress(f"copying {len(topics)} retained messages from {source} to {target}")
    done: list[str] = []
    wrong: list[str] = []
    await green.sweep()
    async with green.temporary_account(_EVERYTHING) as ours:
        writer = Reader.temporary(await _node(green), ours, proxied=green.handle.proxy_protocol)
        async for portion in retained.messages(reader, topics):
            await run.checkpoint()
            wrong += await _brought(run, writer, portion)
            done += [message.topic for message in portion]
            if len(done) % _PROGRESS_EVERY < len(portion):
                run.progress(f"retained messages: {len(done)} of {len(topics)}")
    _refuse_unlike(target, wrong)
    copied = Copied(counted=counted, read=len(topics), published=len(done), compared=len(done))
    run.record("fact", section="retained", **copied.model_dump(mode="json"))
    return copied, done


async def _brought(run: Run, writer: Reader, portion: Sequence[Publish]) -> list[str]:
    """Publish and read back, again where some are not there: a node takes only so many of QoS 0 in a second (docs/emqx/backup.md)."""
    began, wrong = run.clock.now(), ["not yet published"]
    for pause in PAUSES_SECONDS:
        await run.clock.sleep(pause)
        await retained.publish(writer, portion)
        topics = [message.topic for message in portion]
        there = [one async for some in retained.messages(writer, topics) for one in some]
        wrong = retained.unlike(portion, there, seconds=run.clock.now() - began)
        if not wrong:
            break
    return wrong


def _refuse_unlike(target: Colour, wrong: Sequence[str]) -> None:
    if wrong:
        raise VerificationFailed(
            "comparing retained messages",
            node=target,
            seen="; ".join(
                [*wrong[:_MOST_TOLD], *([f"and {len(wrong) - _MOST_TOLD} more"] if len(wrong) > _MOST_TOLD else [])]
            ),
            todo=f"look at the retainer's limits of {target} and at who publishes there, then run `pulumi up` again; no client was moved",
        )


async def _node(cluster: Cluster) -> Node:
    """A node that runs."""
    name = await running_node(cluster)
    return next(node for node in cluster.handle.nodes if node.name == name)
