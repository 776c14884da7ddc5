"""Damaged and hostile inputs for ``python -m components.migration`` (`make fuzz-migration SECONDS=60`): none may crash it, hang it or make it lie.

The samples and field cases of the tests are mutated, from a seed and the number of the input, so that each can be had again. Inputs run in
processes of their own; counted are tracebacks, more than 10 s of the processor, more than 500 MB, and accounts that do not add up. All must
be 0: status 1 where one is not.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType

from components.migration.__main__ import main as program
from tools.mutate import Case, make

CORPUS = Path(__file__).parent.parent / "tests/unit/recordings"
MOST_CPU_SECONDS = 10
MOST_MEGABYTES = 500
BATCH = 200
BATCH_SECONDS = 1200
KINDS = ("tracebacks", "hangs", "memory", "accounts")
WORDS = {
    "tracebacks": "tracebacks",
    "hangs": f"hangs over {MOST_CPU_SECONDS} s",
    "memory": f"memory over {MOST_MEGABYTES} MB",
    "accounts": "accounts that do not add up",
}
FAULT = "a fault in this program"
Program = Callable[[Sequence[str]], int]


class HangError(BaseException):
    """The processor's time of one input is over; no handler of the program may catch it."""


def run_one(case: Case, run: Program = program) -> tuple[str, str]:
    """What became of one input: ``ok``, ``refused`` or one of the kinds that must not be, and its words."""
    with tempfile.TemporaryDirectory() as directory:
        sources = Path(directory) / "in"
        out = Path(directory) / "out"
        for name, content in case.files.items():
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            (sources / name).write_bytes(content)
        arguments = [word.replace("{in}", str(sources)).replace("{out}", str(out)) for word in case.arguments]
        screen = io.StringIO()
        signal.signal(signal.SIGPROF, _hang)
        signal.setitimer(signal.ITIMER_PROF, MOST_CPU_SECONDS)
        try:
            with redirect_stdout(screen), redirect_stderr(screen):
                status = run(arguments)
        except HangError:
            return "hangs", f"{case.name}\n{traceback.format_exc()[-1500:]}"
        except MemoryError:
            return "memory", case.name
        except (Exception, SystemExit):  # noqa: BLE001 - whatever it is, it is what is looked for
            return "tracebacks", traceback.format_exc()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if FAULT in screen.getvalue():  # the program tells of its own faults in one line
            is_memory = "MemoryError" in screen.getvalue()
            return "memory" if is_memory else "tracebacks", f"{case.name}\n{screen.getvalue()[-1500:]}"
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10 > MOST_MEGABYTES:
            return "memory", case.name
        wrong = odd_account(out, case) if status == 0 and out.exists() else ""
        return ("accounts", wrong) if wrong else ("ok" if status == 0 else "refused", "")


def _hang(_: int, __: FrameType | None) -> None:
    raise HangError


def odd_account(out: Path, case: Case) -> str:
    """Where a manifest does not have every item once, or not as many as the export has rows; empty where it does."""
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    for section, row in manifest["tally"].items():
        if row["source"] != row["carried"] + row["changed"] + row["dropped"]:
            return f"{section}: {row}"
    if len(manifest["items"]) != sum(row["source"] for row in manifest["tally"].values()):
        return f"{len(manifest['items'])} items"
    for export in case.exports():
        for section in ("auth_mnesia", "acl_mnesia", "rules", "resources"):
            rows = export.get(section)
            said = manifest["tally"].get(section, {}).get("source", 0)
            if isinstance(rows, list) and len(rows) != said:
                return f"{section}: {said} of {len(rows)} rows"
    return ""


def batch(seed: str, first: int, count: int) -> None:
    """Run inputs in this process and print what became of each; end after one that took much memory, which would be counted for the next too."""
    hard = 4 * MOST_MEGABYTES << 20
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    for number in range(first, first + count):
        kind, words = run_one(make(CORPUS, random.Random(f"{seed}:{number}")))
        print(json.dumps({"number": number, "kind": kind, "words": words[-2000:]}), flush=True)
        if kind in ("memory", "hangs"):
            return


def fuzz(seed: str, seconds: float) -> Counter[str]:
    """Run batches until the time is over; what became of the inputs, by kind."""
    seen: Counter[str] = Counter()
    first, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        command = [sys.executable, "-m", "tools.fuzz_migration", "--seed", seed, "--first", str(first)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=BATCH_SECONDS, check=False)
            printed, broken = done.stdout, done.returncode != 0
        except subprocess.TimeoutExpired as late:
            printed, broken = (late.stdout or b"").decode(), True
        rows = [json.loads(line) for line in printed.splitlines()]
        if broken:  # ended by the kernel, or stuck where no signal is heard
            rows.append({"number": first + len(rows), "kind": "hangs", "words": "the process itself ended"})
        for row in rows:
            seen[row["kind"]] += 1
            if row["kind"] in KINDS:
                print(f"--seed {seed} --first {row['number']} --count 1: {WORDS[row['kind']]}\n{row['words']}")
        first += max(len(rows), 1)
    return seen


def main() -> int:
    """Fuzz for a time, or run one batch of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--first", type=int, help="run the inputs from this number on")
    parser.add_argument("--count", type=int, default=BATCH)
    arguments = parser.parse_args()
    if arguments.first is not None:
        batch(arguments.seed, arguments.first, arguments.count)
        return 0
    seen = fuzz(arguments.seed, arguments.seconds)
    print(
        f"seed {arguments.seed}: {seen.total():,} inputs, {seen['ok']:,} read, {seen['refused']:,} refused or blocked"
    )
    for kind in KINDS:
        print(f"{WORDS[kind]}: {seen[kind]}")
    return 1 if any(seen[kind] for kind in KINDS) or not seen["ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
