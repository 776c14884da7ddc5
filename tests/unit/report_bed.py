"""The journal of an ordinary cutover and the log of its fleet, as the operations and the lab write them, for the tests of the report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from components.report.fleet import FleetPart, fleet_part

BEGAN = 1_795_346_000.0
Event = dict[str, Any]

SUMMARY = {
    "clients": 2_000,
    "disconnects": {"max": 1, "mean": 1.0, "by_reason": {"0x98": 1_000}},
    "gap_seconds": {"p50": 0.1, "p99": 0.2, "max": 0.24},
    "refused_connections": 0,
    "connected": {"min": 1_932, "of": 2_000},
    "messages": {"published": 9_000, "received": 9_000, "lost": 0, "duplicated": 0, "lost_qos0": 0, "by_qos": {}},
}


def cutover(name: str = "aaaa", clients: int = 2_000, budget: int = 400, began: float = BEGAN) -> Iterator[Event]:
    """The journal of an ordinary cutover 10, hold 5, 50, 100 with evacuation, as the operations write it."""

    def event(after: float, kind: str, /, **facts: Any) -> Event:
        return {"t": round(began + after, 3), "run": name, "event": kind, **facts}

    def sample(after: float, step: str, share: int) -> Event:
        away = min(40, clients // 50) if moving else 0
        return event(after, "sample", step=step, blue=clients - moved, green=moved - away, share=share)

    moved, moving, at = 0, False, 12.0
    yield event(0, "run", to="green", origin="blue", direction="forward", clients=clients, budget_per_second=budget)
    yield event(0, "loss", section="sessions", count=500, messages=40, acknowledged=True)
    for link, seconds in (("export", 0.6), ("import", 8.0), ("verification", 3.2)):
        yield event(0.1, "link", name=f"cutover-{link}", phase="begin")
        yield event(0.1 + seconds, "link", name=f"cutover-{link}", phase="end", seconds=seconds)
        yield event(0.1 + seconds, "fact", section=link, equal=True)
    for step, percent, mover in (("shift-10", 10, "kick"), ("shift-50", 50, "kick"), ("drain", 100, "evacuation")):
        cohort, start, moving = clients * percent // 100 - moved, at, True
        yield event(at, "step", name=step, share=float(percent), phase="begin", mover=mover)
        done = 0
        while done < cohort:
            batch = min(max(1, budget // 4), cohort - done)
            done, moved, at = done + batch, moved + batch, at + 0.25
            yield event(at, "move", step=step, mover=mover, count=batch)
            yield sample(at, step, percent * 100)
        moving, seconds = False, at - start
        yield sample(at + 0.5, step, percent * 100)
        end = {"phase": "end", "mover": mover, "clients": cohort, "moving_seconds": seconds}
        yield event(at + 0.5, "step", name=step, share=float(percent), **end)
        for _ in range(5):
            at += 1
            yield sample(at, step, percent * 100)
    yield event(at, "end", outcome="done", to="green")


def fleet_log() -> Iterator[Event]:
    for number in range(2_000):
        yield {"t": BEGAN - 10, "event": "connected", "id": f"dev-{number}"}
    for number in range(2_000):
        lost, gap = BEGAN + 12 + number / 300, 0.05 + number % 20 / 100
        yield {"t": lost, "event": "disconnected", "id": f"dev-{number}", "reason": "0x98"}
        yield {"t": lost + gap, "event": "connected", "id": f"dev-{number}", "gap": gap}


def fleet() -> FleetPart:
    return fleet_part(SUMMARY, sorted(fleet_log(), key=lambda line: line["t"]))
