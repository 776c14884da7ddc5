"""The volumes of a pod as directories of the node.

The rule: everything lies below the pod's own directory but what outlives the pod, a claim's volume, which lies where `storage` has made it.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lab.kubernetes.api import Api, RefusedError
from lab.kubernetes.processes import run
from lab.kubernetes.sandbox import Mount
from lab.kubernetes.values import expanded, field, quantity

Object = dict[str, Any]
TOKEN_SECONDS = 3607


class NotMountedError(Exception):
    """A volume is not there, or not yet; says why, as the kubelet does."""


class Volumes:
    """Those of one pod, in a directory."""

    def __init__(self, api: Api, pod: Object, directory: Path) -> None:
        """Nothing is there before `make`."""
        self._api, self._pod, self._directory = api, pod, directory
        self._namespace = pod["metadata"]["namespace"]
        self.places: dict[str, Path] = {}

    async def make(self) -> None:
        """Make all of them; NotMountedError says which one cannot be made now, and it may be tried again."""
        for volume in self._pod["spec"].get("volumes", ()):
            if volume["name"] not in self.places:
                try:
                    self.places[volume["name"]] = await self._make(volume)
                except NotMountedError as error:
                    raise NotMountedError(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}') from None

    async def refresh(self) -> None:
        """Write anew what comes from ConfigMaps and Secrets, as the kubelet does now and then; a key that is gone is a file that goes."""
        for volume in self._pod["spec"].get("volumes", ()):
            if "configMap" in volume or "secret" in volume:
                await self._make(volume)

    async def _make(self, volume: Object) -> Path:
        place = self._place(volume["name"])
        if claim := volume.get("persistentVolumeClaim"):
            return await self._claimed(claim["claimName"])
        if "hostPath" in volume:
            return Path(str(volume["hostPath"]["path"]))
        if not place.exists():
            place.mkdir(parents=True)
            limit = (volume.get("emptyDir") or {}).get("sizeLimit")
            if limit:
                await run("mount", "-t", "tmpfs", "-o", f"size={int(quantity(limit))}", "tmpfs", str(place))
        if projected := volume.get("projected"):
            for source in projected["sources"]:
                await self._project(source, place, int(projected.get("defaultMode", 0o644)))
        elif "emptyDir" not in volume:
            kind = next(kind for kind in ("configMap", "secret", "downwardAPI") if kind in volume)
            source = dict(volume[kind])
            if kind == "secret":
                source["name"] = source["secretName"]
            files = await self._project({kind: source}, place, int(source.get("defaultMode", 0o644)))
            _leave(place, files)
        return place

    def _place(self, name: str) -> Path:
        return self._directory / name

    async def _project(self, source: Object, place: Path, mode: int) -> Mapping[str, bytes]:
        """Write one source of a projected volume; what it holds."""
        if token := source.get("serviceAccountToken"):
            files: Mapping[str, bytes] = {token["path"]: await self._token(token)}
        elif fields := source.get("downwardAPI"):
            files = {one["path"]: field(self._pod, one["fieldRef"]["fieldPath"]).encode() for one in fields["items"]}
        else:
            kind = "secret" if "secret" in source else "configMap"
            files = await self._data(kind, source[kind])
        for name, data in files.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_bytes() != data:
                new = path.with_name(f"..{path.name}")
                new.write_bytes(data)
                new.chmod(mode)
                new.replace(path)
        return files

    async def _data(self, kind: str, ref: Object) -> dict[str, bytes]:
        found = await data_of(self._api, self._namespace, kind, ref["name"])
        if found is None:
            if ref.get("optional"):
                return {}
            raise NotMountedError(f'{kind.lower()} "{ref["name"]}" not found')
        if not ref.get("items"):
            return found
        missing = [item["key"] for item in ref["items"] if item["key"] not in found]
        if missing and not ref.get("optional"):
            raise NotMountedError(f"references non-existent {kind.lower()} key: {', '.join(missing)}")
        return {item["path"]: found[item["key"]] for item in ref["items"] if item["key"] in found}

    async def _token(self, asked: Object) -> bytes:
        account = self._pod["spec"].get("serviceAccountName", "default")
        meta = self._pod["metadata"]
        spec: Object = {
            "expirationSeconds": max(600, int(asked.get("expirationSeconds", TOKEN_SECONDS))),
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]},
        }
        if asked.get("audience"):
            spec["audiences"] = [asked["audience"]]
        path = f"/api/v1/namespaces/{self._namespace}/serviceaccounts/{account}/token"
        try:
            answer = await self._api.create(path, {"spec": spec})
        except RefusedError as error:
            raise NotMountedError(str(error)) from None
        return str(answer["status"]["token"]).encode()

    async def _claimed(self, name: str) -> Path:
        path = f"/api/v1/namespaces/{self._namespace}/persistentvolumeclaims/{name}"
        try:
            claim = await self._api.get(path)
        except RefusedError:
            raise NotMountedError(f'persistentvolumeclaim "{name}" not found') from None
        phase = claim.get("status", {}).get("phase")
        if phase != "Bound":
            raise NotMountedError(f'persistentvolumeclaim "{name}" is {phase}, not bound')
        try:
            volume = await self._api.get(f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}")
        except RefusedError:
            raise NotMountedError(f'persistentvolume "{claim["spec"]["volumeName"]}" not found') from None
        return Path(volume["spec"]["hostPath"]["path"])

    def mounts(self, container: Object, known: Mapping[str, str]) -> list[Mount]:
        """Where a container has them; ``known`` are its variables, for subPathExpr."""
        found = []
        for mount in container.get("volumeMounts", ()):
            source = self.places[mount["name"]]
            sub = mount.get("subPath") or expanded(mount.get("subPathExpr", ""), known)
            if sub:
                source /= sub
                if not source.exists():
                    source.mkdir(parents=True)
            found.append(Mount(source, mount["mountPath"].rstrip("/"), bool(mount.get("readOnly"))))
        return found


def _leave(place: Path, files: Collection[str]) -> None:
    """Take away the files of keys that are gone."""
    for path in place.iterdir():
        if path.is_file() and path.name not in files:
            path.unlink()


async def data_of(api: Api, namespace: str, kind: str, name: str) -> dict[str, bytes] | None:
    """What a ``configMap`` or a ``secret`` holds; None when it is not there."""
    try:
        found = await api.get(f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{name}")
    except RefusedError as refused:
        if refused.status == 404:
            return None
        raise
    encoded = {**(found.get("binaryData") or {}), **(found.get("data") or {} if kind == "secret" else {})}
    plain = {} if kind == "secret" else found.get("data") or {}
    return {key: base64.b64decode(value) for key, value in encoded.items()} | {
        key: value.encode() for key, value in plain.items()
    }
