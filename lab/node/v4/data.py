"""Exports and imports over the API (V_*_data): files in a node's data directory.

The rule: a file is where it was made or uploaded, and nowhere else; from 4.4 on it is in ``backup``, and is not given back.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from components.system.files import replace
from lab.node.v4.asked import Asked, CrashError, Way, clock, ok, said
from lab.node.v4.exporting import document
from lab.node.v4.importing import FailedError, UnsupportedError, carry_out, check_version

STORE = "store.json"
"""The lab's own file beside them."""


def directory(asked: Asked, node: str) -> Path:
    """Where the files of a node lie."""
    place = asked.host.place(node)
    return place / "backup" if asked.line.hides_exports else place


def _missing(asked: Asked) -> dict[str, Any]:
    return said("not_found" if asked.line.hides_exports else "enoent")


def _stamp(seconds: float) -> str:
    """Without leading zeros."""
    date, _, time = clock(seconds).partition(" ")
    return f"{'-'.join(str(int(one)) for one in date.split('-'))} {':'.join(str(int(one)) for one in time.split(':'))}"


def _shown(path: Path, node: str) -> dict[str, Any]:
    made = path.stat()
    return {"size": made.st_size, "node": node, "filename": path.name, "created_at": _stamp(made.st_mtime)}


def export(asked: Asked) -> dict[str, Any]:
    """POST /data/export: two in one second on one node are one file."""
    now = asked.now()
    stamp = _stamp(now).replace(" ", "-").replace(":", "-")
    path = directory(asked, asked.here) / f"emqx-export-{stamp}.json"
    version = asked.host.cluster.nodes[asked.here].terms.version
    made = document(asked.host.store, asked.line, version, now)
    if asked.host.cluster.nodes[asked.here].terms.edition == "ee" and not asked.line.one_kind:
        made |= {key: [] for key in ("schemas", "configs", "listeners_state")} | {"modules": asked.tables.modules}
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, json.dumps(made, ensure_ascii=False, separators=(",", ":")))
    return ok(_shown(path, asked.here))


def exports(asked: Asked) -> dict[str, Any]:
    """GET /data/export: those of all nodes."""
    rows = [
        _shown(path, node)
        for node in sorted(asked.nodes())
        for path in directory(asked, node).glob("*.json")
        if path.name != STORE
    ]
    return ok(sorted(rows, key=lambda row: str(row["filename"])))


def _path(asked: Asked, name: str) -> Path:
    """A file of the node that is asked; 4.2 and 4.3 look wherever the name leads, within the lab's own directory."""
    path = (directory(asked, asked.here) / name).resolve()
    if not path.is_relative_to(asked.host.settings.directory.resolve()):
        raise CrashError
    return path


def download(asked: Asked) -> dict[str, Any]:
    """GET /data/file/:filename: any file of the data directory, and from 4.4 on none."""
    if asked.line.hides_exports:
        return _missing(asked)
    path = _path(asked, asked.path["filename"])
    return {"filename": path.name, "file": path.read_text()} if path.is_file() else _missing(asked)


def delete(asked: Asked) -> dict[str, Any]:
    """DELETE /data/file/:filename."""
    path = _path(asked, asked.path["filename"])
    if asked.line.hides_exports or not path.is_file():
        return _missing(asked)
    path.unlink()
    return ok()


def upload(asked: Asked) -> dict[str, Any]:
    """POST /data/file: the document as a string; without a name one is made, and not told."""
    body = asked.object()
    if "file" not in body:
        return said("missing_required_params")
    name, text = str(body.get("filename") or f"{secrets.token_hex(8)}.json"), body["file"]
    if asked.line.hides_exports:
        if not name.endswith(".json"):
            return said("bad_filename")
        if not _is_json(text):
            return said("bad_json")
        name = Path(name).name
    elif not isinstance(text, str):
        return said("badarg")
    path = _path(asked, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, text)
    return ok({"node": asked.here})


def _is_json(text: Any) -> bool:
    try:
        json.loads(text)
    except (TypeError, ValueError):
        return False
    return True


def import_data(asked: Asked) -> dict[str, Any]:
    """POST /data/import: a file of a node, or from 4.3 on the document itself."""
    body = asked.object()
    if "filename" not in body:
        return said("missing_required_params") if asked.line.one_kind else _imported(asked, asked.here, body)
    node = str(body.get("node", asked.here))
    if node not in asked.nodes():
        said_no = said("no_existent_node")
        return ok(said_no) if asked.line.one_kind else said_no
    found = _found(asked, node, str(body["filename"]))
    if found is None:
        return _missing(asked)
    try:
        read = json.loads(found.read_text())
    except ValueError:
        raise CrashError from None
    return _imported(asked, node, read)


def _found(asked: Asked, node: str, name: str) -> Path | None:
    """4.4 looks in ``backup`` and then beside it, for a bare name only."""
    place = asked.host.place(node)
    if not asked.line.hides_exports:
        path = place / name
        return path if path.is_file() else None
    places = (place / "backup" / name, place / name)
    return next((path for path in places if Path(name).name == name and path.is_file()), None)


def _imported(asked: Asked, node: str, read: Any) -> dict[str, Any]:
    try:
        if asked.host.cluster.nodes[node].terms.edition == "ce" or asked.line.one_kind:
            check_version(read, asked.line.number)
        if asked.line.one_kind:
            return said("import_failed")  # a function is missing in the open source edition
        carry_out(asked.colony, node, read)
    except UnsupportedError as error:
        if asked.line.one_kind:
            return said("unsupported_version")
        return {"code": "unsupported_version", "message": f'"{error}"'}
    except FailedError:
        return said("import_failed")
    return ok()


WAYS = (
    Way("POST", "/data/export", export),
    Way("GET", "/data/export", exports),
    Way("GET", "/data/file/{filename}", download),
    Way("DELETE", "/data/file/{filename}", delete),
    Way("POST", "/data/file", upload),
    Way("POST", "/data/import", import_data),
)
