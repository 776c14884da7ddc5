"""One container of a pod: started, probed, started again.

The rule: what ends a container is its own end, a liveness or start-up probe, or its pod's; whether it comes back is its pod's policy.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import Any, Protocol

import httpx

from lab.kubernetes import status
from lab.kubernetes.api import Api, RefusedError
from lab.kubernetes.events import Events
from lab.kubernetes.images import Image, NoImageError, image_of
from lab.kubernetes.probes import Prober, execute
from lab.kubernetes.sandbox import PATHS, Box, Container, Mount, start
from lab.kubernetes.status import Seen, stamp
from lab.kubernetes.values import UnknownError, environment, expanded
from lab.kubernetes.volumes import Volumes, data_of

Object = dict[str, Any]
FIRST_SECONDS, MOST_SECONDS = 1.0, 30.0
"""Between two starts of one that fails; ten times quicker than the kubelet."""
QUIET_SECONDS = 60.0
LOG_BYTES = 2048
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


class Pod(Protocol):
    """What a container needs of the pod that it is in."""

    api: Api
    events: Events
    volumes: Volumes
    pod: Object
    namespace: str
    name: str
    address: str
    place: Path
    files: Path

    def changed(self) -> None:
        """Something that the API server should know has happened."""

    def own_files(self) -> list[Mount]:
        """What a kubelet writes for every container."""


class Runner:
    """What holds one container up."""

    def __init__(self, pod: Pod, seen: Seen, policy: str) -> None:
        """Nothing is started before `run`."""
        self.pod, self.seen, self.policy = pod, seen, policy
        self.container: Container | None = None
        self._probes: list[asyncio.Task[None]] = []
        self._wait = FIRST_SECONDS
        self._starting: asyncio.Task[Container] | None = None

    async def run(self) -> bool:
        """Until it has ended for good; whether that was a good end."""
        spec = self.seen.spec
        while True:
            image = await self._pulled()
            self._starting = asyncio.create_task(start(await self._box(image)))
            self.container = await asyncio.shield(self._starting)
            code = await self._lived(self.container)
            if self.policy == "Never" or (self.policy == "OnFailure" and code == 0):
                return code == 0
            self.seen.last = self.seen.state
            self.seen.restarts += 1
            message = f"back-off {self._wait:g}s restarting failed container={spec['name']} pod={self.pod.name}"
            self.seen.state = status.waiting("CrashLoopBackOff", message)
            self.pod.events.tell(
                self.pod.pod,
                "BackOff",
                f"Back-off restarting failed container {spec['name']}",
                warning=True,
                container=spec,
            )
            self.pod.changed()
            await asyncio.sleep(self._wait)
            self._wait = min(2 * self._wait, MOST_SECONDS)

    async def _lived(self, container: Container) -> int:
        """One life of it, probes included; its exit code."""
        spec, began = self.seen.spec, stamp()
        loop = asyncio.get_running_loop()
        first = loop.time()
        self.seen.state, self.seen.image = status.running(), f"lab/{spec['image']}"
        self.seen.started = "startupProbe" not in spec
        self.seen.ready = self.seen.started and "readinessProbe" not in spec
        self.pod.events.tell(self.pod.pod, "Started", f"Started container {spec['name']}", container=spec)
        self.pod.changed()
        self._probes = [asyncio.create_task(self._probed(container))]
        try:
            code = await container.wait()
        finally:
            for task in self._probes:
                task.cancel()
        if loop.time() - first > QUIET_SECONDS:
            self._wait = FIRST_SECONDS
        self.seen.state = status.terminated(code, began, self._last_words(container, code))
        self.seen.ready = self.seen.started = False
        self.pod.changed()
        return code

    async def stop(self, grace: float) -> None:
        """preStop, the image's stop signal, and SIGKILL when the grace is over."""
        for task in self._probes:
            task.cancel()
        container = self.container
        if self._starting is not None:
            container = self.container = await self._starting
        if container is None or container.process.returncode is not None:
            return
        limit = asyncio.get_running_loop().time() + grace
        self.seen.ready = False
        self.pod.changed()
        if grace:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(limit):
                    await self._pre_stop(container)
            await container.stop(max(0.0, limit - asyncio.get_running_loop().time()))
        else:
            await container.kill()
        code = await container.wait()
        began = self.seen.state.get("running", {}).get("startedAt", stamp())
        self.seen.state = status.terminated(code, began, self._last_words(container, code))

    async def _pre_stop(self, container: Container) -> None:
        hook = self.seen.spec.get("lifecycle", {}).get("preStop", {})
        if "exec" in hook:
            code, said = await execute(container.enter, hook["exec"]["command"])
            if code:
                self.pod.events.tell(self.pod.pod, "FailedPreStopHook", f"PreStopHook failed: {said}", warning=True)
        elif "httpGet" in hook:
            await Prober(self.seen.spec, self.pod.address, container.enter).ask(hook | {"timeoutSeconds": 3600})
        elif "sleep" in hook:
            await asyncio.sleep(float(hook["sleep"]["seconds"]))

    def _last_words(self, container: Container, code: int) -> str:
        if not code or self.seen.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        return (container.box.files / "log").read_bytes()[-LOG_BYTES:].decode(errors="replace")

    async def _pulled(self) -> Image:
        """The image; waits for ever for one that is not there, as somebody may change the pod."""
        spec, wait = self.seen.spec, FIRST_SECONDS
        tell = self.pod.events.tell
        while True:
            try:
                return image_of(spec["image"])
            except NoImageError as error:
                tell(
                    self.pod.pod,
                    "Failed",
                    f'Failed to pull image "{spec["image"]}": {error}',
                    warning=True,
                    container=spec,
                )
                tell(self.pod.pod, "Failed", "Error: ErrImagePull", warning=True, container=spec)
                self.seen.state = status.waiting("ErrImagePull", str(error))
            self.pod.changed()
            await asyncio.sleep(wait)
            wait = min(2 * wait, MOST_SECONDS)
            text = f'Back-off pulling image "{spec["image"]}"'
            self.seen.state = status.waiting("ImagePullBackOff", text)
            tell(self.pod.pod, "BackOff", text, container=spec)
            self.pod.changed()
            await asyncio.sleep(wait)

    async def _box(self, image: Image) -> Box:
        while True:
            try:
                variables = await self._variables()
            except UnknownError as error:
                self.seen.state = status.waiting("CreateContainerConfigError", str(error))
                self.pod.events.tell(self.pod.pod, "Failed", f"Error: {error}", warning=True, container=self.seen.spec)
                self.pod.changed()
            except (httpx.TransportError, RefusedError):
                pass
            else:
                return self._boxed(image, variables)
            await asyncio.sleep(FIRST_SECONDS)

    def _boxed(self, image: Image, variables: dict[str, str]) -> Box:
        spec, pod = self.seen.spec, self.pod
        entry, arguments = spec.get("command"), spec.get("args")
        words = [*(entry or image.entry), *(arguments or (() if entry else image.arguments))]
        place = pod.place / "containers" / f"{spec['name']}-{self.seen.restarts}"
        shutil.rmtree(place, ignore_errors=True)  # of before its node was lost
        place.mkdir(parents=True)
        base = {"PATH": PATHS, "HOME": "/root", "HOSTNAME": pod.name, **dict(image.environment)}
        mounts = pod.volumes.mounts(spec, variables)
        kept = [Mount(mount.source, str(mount.source)) for mount in mounts if mount.source.is_dir()]
        base["LAB_MOUNTS"] = "\n".join(f"{mount.at}={mount.source}" for mount in mounts)
        return Box(
            place=place,
            files=pod.files / spec["name"],
            address=pod.address,
            hostname=pod.pod["spec"].get("hostname") or pod.name,
            words=[expanded(word, variables) for word in words],
            environment=base | variables,
            mounts=[*pod.own_files(), *kept, *mounts],
            links=image.links,
            stop=image.stop,
            directory=spec.get("workingDir", "/"),
            read_only=bool(spec.get("securityContext", {}).get("readOnlyRootFilesystem")),
        )

    async def _variables(self) -> dict[str, str]:
        """The container's own, with what it takes from ConfigMaps and Secrets."""
        found: dict[tuple[str, str], dict[str, str] | None] = {}
        for kind, name in _sources(self.seen.spec):
            data = await data_of(self.pod.api, self.pod.namespace, kind, name)
            found[kind, name] = None if data is None else {key: value.decode() for key, value in data.items()}
        seen = {**self.pod.pod, "status": {**self.pod.pod.get("status", {}), "podIP": self.pod.address}}
        return environment(self.seen.spec, seen, lambda kind, name: found[kind, name])

    async def _probed(self, container: Container) -> None:
        spec = self.seen.spec
        prober = Prober(spec, self.pod.address, container.enter)
        if "startupProbe" in spec:
            await prober.watch("startupProbe", self._told_startup)
            if not self.seen.started:
                return
        watching = {"livenessProbe": self._told_liveness, "readinessProbe": self._told_readiness}
        async with asyncio.TaskGroup() as group:
            for kind, told in watching.items():
                if kind in spec:
                    group.create_task(prober.watch(kind, told))

    async def _told_startup(self, good: bool, why: str) -> None:
        self.seen.started = good
        self.seen.ready = good and "readinessProbe" not in self.seen.spec
        self.pod.changed()
        await self._unless(good, "Startup", why, kills=True)

    async def _told_liveness(self, good: bool, why: str) -> None:
        await self._unless(good, "Liveness", why, kills=True)

    async def _told_readiness(self, good: bool, why: str) -> None:
        if self.seen.ready != good:
            self.seen.ready = good
            self.pod.changed()
        await self._unless(good, "Readiness", why, kills=False)

    async def _unless(self, good: bool, kind: str, why: str, *, kills: bool) -> None:
        if good or self.container is None:
            return
        spec = self.seen.spec
        self.pod.events.tell(self.pod.pod, "Unhealthy", f"{kind} probe failed: {why}", warning=True, container=spec)
        if kills:
            text = f"Container {spec['name']} failed {kind.lower()} probe, will be restarted"
            self.pod.events.tell(self.pod.pod, "Killing", text, container=spec)
            await self.container.stop(float(self.pod.pod["spec"].get("terminationGracePeriodSeconds") or 30))


def _sources(container: Object) -> set[tuple[str, str]]:
    """The ConfigMaps and Secrets that a container's variables come from."""
    kinds = ("configMap", "secret")
    whole = {
        (kind, ref["name"]) for one in container.get("envFrom", ()) for kind in kinds if (ref := one.get(f"{kind}Ref"))
    }
    single = {
        (kind, ref["name"])
        for one in container.get("env", ())
        for kind in kinds
        if (ref := one.get("valueFrom", {}).get(f"{kind}KeyRef"))
    }
    return whole | single
