"""BlueGreen: owns the declared colours, the balancer and the cutover between them, and their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components.balancer import BALANCERS
from components.balancer.able import can_of
from components.balancer.base import Fronted
from components.balancer.mqtt_balancer import MqttBalancer
from components.cluster.emqx_cluster import EmqxCluster
from components.conversion import birth
from components.cutover.roll_memory import in_work
from components.cutover.words import COLOURS, Colour
from components.declaration import clusters, declaration
from components.intent import in_order, links_of, remembered, site, standing, theirs
from components.lasting import weighed_of
from components.ledger.remembered import Remembered
from components.resources.chain import KINDS
from components.resources.cluster_guard import ClusterGuard
from components.resources.cutover import Cutover
from components.resources.link import Link
from components.settings import Settings
from components.strategies import STRATEGIES
from components.targets import KUBERNETES, providers_of

CHAIN = "cutover"
"""Links are called by what they do, never by a direction: a flip of ``live`` must be an update in place of each of them."""


class BlueGreen(pulumi.ComponentResource):
    """One fleet: its colours, the balancer in front of them, and the chain that moves the clients to ``live`` or upgrades it in place."""

    clusters: dict[Colour, EmqxCluster]
    balancer: MqttBalancer
    mqtt: pulumi.Output[str]
    listeners: pulumi.Output[list[dict[str, Any]]]
    live: pulumi.Output[str | None]

    def __init__(
        self,
        name: str,
        settings: Settings,
        opts: pulumi.ResourceOptions | None = None,
        *,
        runs: Mapping[Colour, Sequence[str]] | None = None,
    ) -> None:
        """Declare everything; the chain is there as soon as two colours are, or where the one is upgraded in place.

        ``runs`` are the versions that nodes were seen to run, for the policies; a colour that could not be asked is not among them.
        """
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(providers=providers_of(settings)))
        super().__init__("emqx:upgrade:BlueGreen", name, {"declared": declaration(settings)}, opts)
        self._runs = runs or {}
        if not pulumi.runtime.is_dry_run():
            BALANCERS[settings.balancer.target].reserve(settings, pulumi.get_stack())
        self._settings, known = settings, remembered(settings)
        self.clusters = {}
        for colour in in_order(settings, known):
            place = site(settings, colour)._replace(
                beside=self._beside(),
                joins=self._first(),
                idle=known.serving not in {None, colour},
                emptied=known.origin is not None and known.serving not in {None, colour},
                environment=settings.environment,
                birth=birth(settings, colour),
                in_work=work.node if (work := in_work(known.memory, colour)) else None,
                direct=not can_of(settings).cohorts,
                front=self._front(colour),
            )
            self.clusters[colour] = EmqxCluster(place, self._child(protect=self._serves(colour, known)))
        handles = {colour: cluster.handle for colour, cluster in self.clusters.items()}
        self._in_place = STRATEGIES[settings.cutover.strategy].in_place
        fronted = Fronted(handles, standing(settings), theirs(settings), known.holding, self._in_place)
        self.balancer = MqttBalancer(
            "balancer", settings, fronted, self._child(protect=bool(known.holding) and settings.protect)
        )
        for colour in handles:
            self._guard(colour, fronted, known)
        self.mqtt, self.listeners = self.balancer.handle["mqtt"], self.balancer.handle["endpoints"]
        self.live = self._declare_links(known)
        self.register_outputs({"mqtt": self.mqtt, "live": self.live})

    def _declare_links(self, known: Remembered) -> pulumi.Output[str | None]:
        """The chain where somebody may be moved or upgraded, else what stays of it; the colour that serves then."""
        if len(self.clusters) < len(COLOURS) and not self._in_place:
            self._declare_alone(pulumi.ResourceOptions(parent=self))
            return self.mqtt.apply(lambda _: self._settings.live)
        last = self._declare_chain(pulumi.ResourceOptions(parent=self))
        # an update that was told to leave the chain out has moved nobody: then it is as the ledger had it
        return last.serving.apply(
            lambda colour: colour if colour in COLOURS else known.serving,
            run_with_unknowns=not pulumi.runtime.is_dry_run(),
        )

    def _guard(self, colour: Colour, fronted: Fronted, known: Remembered) -> None:
        """Stand between the colour and its deletion."""
        name, cluster, declared = f"{colour}-guard", self.clusters[colour], self._settings.clusters[colour]
        serves = colour in known.holding and colour == self._settings.live
        inputs = {
            "name": name,
            "colour": colour,
            "cluster": cluster.handle,
            "balancer": self.balancer.handle,
            "ours": colour not in fronted.external,
            "serves": serves,
            "version": declared.version,
            "edition": declared.edition,
            "in_place": self._in_place,
            "runs": self._runs.get(colour),
        }
        protect = serves and self._settings.protect
        ClusterGuard(
            name,
            inputs,
            pulumi.ResourceOptions(parent=self, protect=protect, depends_on=[cluster, self.balancer]),
        )

    def _first(self) -> Colour | None:
        """The colour whose cluster the next one joins; None for the first one, and where each has its own."""
        shared = STRATEGIES[self._settings.cutover.strategy].scope == "colour"
        return next(iter(self.clusters), None) if shared else None

    def _beside(self) -> pulumi.Output[dict[str, Any]] | None:
        """The colour whose cluster the next one joins, where they share one."""
        shared = STRATEGIES[self._settings.cutover.strategy].scope == "colour"
        return next((cluster.handle for cluster in self.clusters.values()), None) if shared else None

    def _front(self, colour: Colour) -> dict[str, Any] | None:
        """By which balancer, and how, clients are moved off nodes that go; asked only where the target moves them."""
        settings, cutover = self._settings, self._settings.cutover
        if settings.clusters[colour].target != KUBERNETES:
            return None
        there = BALANCERS[settings.balancer.target].observed(settings)
        if there is None:
            return None
        return {
            "balancer": there.model_dump(mode="json"),
            "work_directory": settings.work_directory,
            "budget_per_second": cutover.budget_per_second,
            "evacuation": cutover.evacuation.model_dump(mode="json"),
            "sessions_may_end": "sessions" in cutover.acknowledge,
        }

    def _child(self, *, protect: bool) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, protect=protect)

    def _serves(self, colour: Colour, known: Remembered) -> bool:
        """Whether the colour has clients and keeps them: the engine itself is to refuse whatever would end it (docs/adr/0012)."""
        return self._settings.protect and colour in known.holding and colour == self._settings.live

    def _declare_chain(self, opts: pulumi.ResourceOptions) -> Link:
        """The links of the strategy, each of which waits for the token of the one before it; returns the last one."""
        first = Cutover(CHAIN, {"name": CHAIN, "to": self._settings.live, **self._world(), **self._intent()}, opts)
        handed = {
            "to": self._settings.live,
            **self._world(),
            "run": first.token,
            "direction": first.direction,
        }
        last: Link = first
        declared: dict[str, Link] = {}
        for spec in links_of(self._settings):
            name = f"{CHAIN}-{spec.name}"
            taken = {key: declared[link].facts for key, link in spec.takes.items()}
            inputs = {"name": name, **handed, "after": last.token, **spec.inputs, **taken}
            last = declared[spec.name] = KINDS[spec.kind](name, inputs, opts)
        return last

    def _declare_alone(self, opts: pulumi.ResourceOptions) -> None:
        """The links that have to see that the other colour is gone; deletes come after all updates, so only these can act before it ends."""
        nothing = {"to": self._settings.live, **self._world(), "run": "", "direction": "nothing", "after": ""}
        for spec in links_of(self._settings):
            if spec.name in STRATEGIES[self._settings.cutover.strategy].stays:
                name = f"{CHAIN}-{spec.name}"
                KINDS[spec.kind](name, {"name": name, **nothing, **spec.inputs}, opts)

    def _world(self) -> dict[str, Any]:
        return {
            "clusters": {colour: cluster.handle for colour, cluster in self.clusters.items()},
            "balancer": self.balancer.handle,
            "work_directory": self._settings.work_directory,
            "scope": STRATEGIES[self._settings.cutover.strategy].scope,
            "places": {"journal": self._settings.journal, "archives": self._settings.archives},
        }

    def _intent(self) -> dict[str, Any]:
        """What the stack's config declares and the balancer's files tell, as plain values for the policies."""
        cutover, known, weighed = self._settings.cutover, remembered(self._settings), self._weighed()
        return {
            "live": self._settings.live,
            "declared": clusters(self._settings),
            "holding": known.holding,
            "origin": known.origin,
            "steps": [step.model_dump(mode="json") for step in cutover.steps],
            "strategy": cutover.strategy,
            "budget_per_second": cutover.budget_per_second,
            "initial_delay_seconds": cutover.initial_delay_seconds,
            "acknowledge": list(cutover.acknowledge),
            "keep_stale_sessions": cutover.keep_stale_sessions,
            "in_place": self._in_place,
            **weighed,
        }

    def _weighed(self) -> dict[str, Any]:
        """How long the cutover may take is asked behind a balancer that does not know clients alone."""
        found = None if self._in_place else weighed_of(self._settings)
        return {} if found is None else {"weighed": found.model_dump(mode="json")}
