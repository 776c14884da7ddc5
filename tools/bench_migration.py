"""100,000 users and 100,000 ACL rules from 4.4 to 5.x: time per 10,000 items and memory; a compose file (`make bench-migration`).

Each size runs in a process of its own, so that its peak memory is its own; seconds are the processor's, so that other work on the machine
does not count. Flat means: the slowest size takes at most twice
the time per 10,000 items of the fastest; less than 500 MB. A compose file is read once, whatever asks for its variables. Status 1 where one of them does not hold.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

from components.migration.__main__ import main as program
from components.migration.hop_44_5 import Options, Source, convert, read_export
from components.migration.sources import manifests, tree
from components.migration.sources.base import Document
from components.migration.sources.tree import Tree

SIZES = (10_000, 20_000, 50_000, 100_000)
MOST_MEGABYTES = 500
MOST_SPREAD = 2.0
MOST_HOCON_SECONDS = 1.5


def make_export(count: int, seed: int) -> bytes:
    """As many users and as many ACL rows; half of the rules are of users, the rest of clients, a few of everybody."""
    rng = random.Random(seed)
    users: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    for number in range(count):
        salt = rng.randbytes(4)
        stored = salt + hashlib.sha256(salt + str(number).encode()).hexdigest().encode()
        login = {"login": f"device-{number:06d}", "type": "username", "password": base64.b64encode(stored).decode()}
        users.append({**login, "created_at": number})
        kind = rng.choice(("username", "clientid"))
        rule = {
            "type": kind,
            "type_value": f"device-{rng.randrange(count):06d}",
            "topic": f"devices/%c/{number % 50}/#",
        }
        access = "deny" if number % 5 == 0 else "allow"
        rows.append(rule | {"action": rng.choice(("pub", "sub")), "access": access, "created_at": rng.randrange(10**6)})
    return json.dumps({"version": "4.4", "auth_mnesia": users, "acl_mnesia": rows}).encode()


def run_one(path: Path) -> None:
    """Read, convert and write one export; print seconds, items and the peak memory as JSON."""
    began = time.process_time()
    export = read_export(path.name, path.read_bytes(), "4.4.19")
    conversion = convert(Source(export, path.name), "4.4.19", "5.8.11", Options(now=1795343060.0))
    for name, pieces in conversion.pieces().items():
        target = path.parent / "out" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            file.writelines(pieces)
    seconds = time.process_time() - began
    items = sum(conversion.account.counts.values())
    carried = sum(row["carried"] for row in conversion.account.tally().values())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": seconds, "items": items, "carried": carried, "megabytes": memory}))


def readings_of_compose(variables: int = 200) -> tuple[int, float]:
    """How often a compose file is read by a check of 4.4 to 5.x, which asks for its variables rule by rule; and the processor's seconds."""
    lines = "".join(f"      EMQX_BRIDGE__MQTT__N{number}__ADDRESS: host-{number}:1883\n" for number in range(variables))
    count, of_tree = 0, tree.documents

    def counted(document: Document) -> list[Tree]:
        nonlocal count
        count += 1
        return of_tree(document)

    with tempfile.TemporaryDirectory() as directory, patch.object(manifests, "documents", counted):
        path = Path(directory) / "docker-compose.yml"
        path.write_text(
            f"services:\n  broker:\n    image: emqx/emqx:4.4.19\n    environment:\n{lines}", encoding="utf-8"
        )
        began = time.process_time()
        with redirect_stdout(io.StringIO()):
            program(["check", str(path), "--from", "4.4.19", "--to", "5.8.11", "--edition", "ee"])
        return count, time.process_time() - began


def make_cluster_hocon(rules: int) -> str:
    """As a node writes it: so many rules, each with an action and a connector of its own."""
    lines = ["rule_engine {", "  rules {"]
    for number in range(rules):
        lines += (
            f"    rule_{number} {{",
            f'      actions = ["http:to_{number}"]',
            f'      description = "readings of device {number}"',
            "      enable = true",
            '      sql = """~',
            f'        SELECT payload.t FROM "devices/{number}/#"',  # noqa: S608 - a setting
            f'        WHERE t > {number}~"""',
            "    }",
        )
    lines += ["  }", "}", "actions {", "  http {"]
    for number in range(rules):
        lines.append(f"    to_{number} {{connector = hook, enable = true, parameters {{method = post}}}}")
    return "\n".join((*lines, "  }", "}", "connectors.http.hook {", '  url = "http://127.0.0.1:8080"', "}", ""))


def seconds_of_cluster_hocon(rules: int = 2000) -> tuple[int, float]:
    """KiB of it, and the processor's seconds that a check of 5.6 to 5.10 takes."""
    text = make_cluster_hocon(rules)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "cluster.hocon"
        path.write_text(text, encoding="utf-8")
        began = time.process_time()
        with redirect_stdout(io.StringIO()):
            program(["check", str(path), "--from", "5.6.1", "--to", "5.10.4", "--edition", "ee"])
        return len(text) >> 10, time.process_time() - began


def main() -> int:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", type=Path, help="convert this export and print its figures")
    parser.add_argument("--seed", type=int, default=44)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(arguments.one)
        return 0
    figures = [measure(size, arguments.seed) for size in SIZES]
    per_ten_thousand = [one["seconds"] / one["items"] * 10_000 for one in figures]
    print(
        f"seed {arguments.seed}\n\n| users | ACL rules | seconds | seconds per 10,000 items | peak MB | carried |\n|---:|---:|---:|---:|---:|---:|"
    )
    for size, one, each in zip(SIZES, figures, per_ten_thousand, strict=True):
        print(
            f"| {size:,} | {size:,} | {one['seconds']:.2f} | {each:.3f} | {one['megabytes']} | {one['carried']:,} of {one['items']:,} |"
        )
    spread, most = max(per_ten_thousand) / min(per_ten_thousand), max(one["megabytes"] for one in figures)
    good = spread <= MOST_SPREAD and most < MOST_MEGABYTES
    readings, seconds = readings_of_compose()
    size, hocon_seconds = seconds_of_cluster_hocon()
    good = good and readings == 1 and hocon_seconds < MOST_HOCON_SECONDS
    print(f"\ncompose file of 200 variables, checked: read {readings} time(s), {seconds:.2f} s")
    print(f"cluster.hocon of 2,000 rules, {size} KiB, checked: {hocon_seconds:.2f} s (below {MOST_HOCON_SECONDS} s)")
    print(
        f"\nslowest/fastest per item {spread:.2f} (at most {MOST_SPREAD}), memory {most} MB (below {MOST_MEGABYTES}): {'good' if good else 'NOT good'}"
    )
    return 0 if good else 1


def measure(size: int, seed: int) -> dict[str, float]:
    """One size in a process of its own."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "export.json"
        path.write_bytes(make_export(size, seed))
        command = [sys.executable, "-m", "tools.bench_migration", "--one", str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
        figures: dict[str, float] = json.loads(done.stdout)
        return figures


if __name__ == "__main__":
    sys.exit(main())
