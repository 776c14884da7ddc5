"""Export, upload, import, download and removal of backups; a file lives on one node and the list is the cluster's.

Answers as in recordings 05, 07, 09, 11, 14, 15 and A_*; what may be in an archive is `lab.node.archive.backup`'s business.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from starlette.datastructures import UploadFile

from lab.node.api import check, effective
from lab.node.api.app import CLOSE
from lab.node.api.call import NO_CONTENT, Answer, Call, Endpoint, timestamp
from lab.node.api.errors import ApiError, bad_request, not_found
from lab.node.api.listeners import follow_listeners
from lab.node.api.paging import page_of
from lab.node.archive import importing
from lab.node.archive import rows as tables
from lab.node.archive.backup import (
    RESTRICTED,
    ROOTS,
    SUFFIX,
    TABLES,
    Archive,
    BackupError,
    check_fits,
    check_name,
    key_is_limited,
    new_name,
    read,
    write,
)

GZIP = "application/octet-stream"
_MISSING = "backup file not found"


def _directory(call: Call, node: str) -> Path:
    return call.managed.place(node) / "backup"


def _node(call: Call, name: str | None) -> str:
    if name is not None and name not in call.managed.names():
        raise bad_request(f"Unknown node: {name}")
    return name or call.here


def _named(name: str) -> str:
    try:
        return check_name(name)
    except BackupError as error:
        raise bad_request(error.message) from None


def _info(node: str, path: Path) -> dict[str, Any]:
    at = path.stat().st_mtime
    return {
        "node": node,
        "size": path.stat().st_size,
        "filename": path.name,
        "created_at": timestamp(int(at)),
        "created_at_sec": int(at),
    }


def _limited(call: Call) -> bool:
    return call.actor is not None and call.actor.kind == "key" and key_is_limited(call.managed.version)


async def export(call: Call) -> Answer:
    """POST /data/export; without a body everything, except what an API key may not see."""
    fields = check.body_fields(await call.body(), {"root_keys": check.anything, "table_sets": check.anything})
    sets, roots = fields.get("table_sets"), fields.get("root_keys")
    _known("table sets", sets, frozenset(TABLES))
    _known("root keys", roots, ROOTS[call.managed.edition])
    wanted = {table for one in (TABLES if sets is None else sets) for table in TABLES[one]}
    if _limited(call):
        wanted -= set(RESTRICTED)
    store = call.managed.store
    config = {root: value for root, value in store.overrides.items() if roots is None or root in roots}
    found = {table: tables.dump(store, table) for table in tables.ORDER if table in wanted}
    name = new_name(call.now())
    path = _directory(call, call.here) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write(name, Archive(call.managed.edition, call.managed.version, config, found)))
    return Answer(_info(call.here, path))


def _known(what: str, given: Any, known: frozenset[str]) -> None:
    unknown = [str(one) for one in given or () if one not in known]
    if unknown:
        raise bad_request(f"Invalid {what}: {', '.join(unknown)}")


async def files(call: Call) -> Answer:
    """GET /data/files: of all running nodes, newest first."""
    found = [(path, node) for node in call.managed.names() for path in _directory(call, node).glob(f"*{SUFFIX}")]
    found.sort(key=lambda one: one[0].stat().st_mtime_ns, reverse=True)
    return Answer(page_of([_info(node, path) for path, node in found], call.query))


async def upload(call: Call) -> Answer:
    """POST /data/files, multipart with the field ``filename``; most checks are made here, not at the import."""
    name, raw = await _uploaded(call)
    _named(name)
    path = _directory(call, call.here) / name
    if path.exists():
        raise bad_request(f'Backup file "{name}" already exists')
    try:
        archive = read(name, raw, path=str(path).removesuffix(SUFFIX))
        check_fits(archive, call.managed.edition, call.managed.version)
    except BackupError as error:
        raise bad_request(error.message) from None
    _check_config(call, archive)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    return NO_CONTENT


async def _uploaded(call: Call) -> tuple[str, bytes]:
    if call.request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with call.request.form() as form:
            part = form.get("filename")
            if isinstance(part, UploadFile):
                return part.filename or "", await part.read()
    raise bad_request("Missing required parameter: filename")


def _check_config(call: Call, archive: Archive) -> None:
    for root, value in (archive.config or {}).items():
        if root in effective.known(call.managed.edition):
            fault = effective.first_fault(effective.running(call.managed, root), value, root)
            if fault is not None:
                schema = "emqx_enterprise_schema" if call.managed.edition == "ee" else "emqx_conf_schema"
                raise bad_request(fault | {"schema_module": schema})


def _existing(call: Call, missing: ApiError) -> Path:
    name = _named(call.path["name"])
    path = _directory(call, _node(call, call.query.get("node"))) / name
    if not path.exists():
        raise missing
    return path


async def download(call: Call) -> Answer:
    """GET /data/files/:name, from the node that has it or with ``?node=``."""
    path = _existing(call, not_found(_MISSING))
    raw = path.read_bytes()
    _refuse_restricted(call, "download", path.name, raw)
    if call.managed.faults.take("truncate_download", call.here):
        raw = raw[: len(raw) // 2]
    return Answer(raw, media=GZIP)


async def delete(call: Call) -> Answer:
    """DELETE /data/files/:name."""
    _existing(call, not_found(_MISSING)).unlink()
    return NO_CONTENT


def _refuse_restricted(call: Call, verb: str, name: str, raw: bytes) -> Archive:
    archive = read(name, raw)
    if _limited(call) and archive.restricted():
        sets = ", ".join(archive.restricted())
        raise ApiError(403, "FORBIDDEN", f"API key {verb} refused: backup contains restricted tables: {sets}")
    return archive


async def import_file(call: Call) -> Answer:
    """POST /data/import: 204, or 400 after everything else was applied; it dies with the connection that asked for it."""
    fields = check.body_fields(await call.body(), {"filename": check.text, "node": check.text}, required=("filename",))
    name = _named(fields["filename"])
    node = _node(call, fields.get("node"))
    path = _directory(call, node) / name
    if not path.exists():
        raise bad_request(_MISSING)
    archive = _refuse_restricted(call, "import", name, path.read_bytes())
    failures = await _while_connected(call, archive, str(path).removesuffix(SUFFIX))
    await follow_listeners(call.managed)
    if failures:
        call.managed.changed()
        raise bad_request("".join(failures))
    return NO_CONTENT


async def _while_connected(call: Call, archive: Archive, path: str) -> list[str]:
    managed = call.managed
    half = managed.faults.take("partial_import", call.here) is not None
    rate = managed.settings.import_rate
    work = asyncio.create_task(importing.restore(managed.store, archive, path=path, index_rate=rate, half=half))
    gone = asyncio.create_task(_disconnected(call))
    if managed.faults.take("abort_import", call.here):
        await asyncio.sleep(0)
        call.request.scope[CLOSE]()
    await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        managed.log(f"{call.here}: the client went away, the import of {Path(path).name} stops in the middle")
        work.cancel()
        managed.changed()
        await asyncio.wait({work})
        return []
    gone.cancel()
    return work.result()


async def _disconnected(call: Call) -> None:
    while (await call.request.receive())["type"] != "http.disconnect":
        pass


ENDPOINTS = (
    Endpoint("POST", "/data/export", export),
    Endpoint("POST", "/data/import", import_file),
    Endpoint("GET", "/data/files", files),
    Endpoint("POST", "/data/files", upload),
    Endpoint("GET", "/data/files/{name}", download),
    Endpoint("DELETE", "/data/files/{name}", delete),
)
