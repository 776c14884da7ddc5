"""The forecast for reading: a short table and its sentences; what could not be counted is shown as unknown, never as zero."""

from __future__ import annotations

from components.cutover.forecast import Forecast, Late, Losses


def render(plan: Forecast) -> str:
    """A short table for preview."""
    if plan.direction == "nothing":
        return f"cutover: nothing to do ({plan.reason})"
    head = f"cutover {plan.direction} to {plan.to}: {_shown(plan.clients)} clients, at most {plan.budget_per_second}/s ({plan.reason})"
    table = [("step", "share", "clients", "mover", "rate", "seconds")]
    table += [
        (
            row.name,
            "" if row.share is None else f"{row.share:g} %",
            "" if row.share is None else _shown(row.clients),
            row.mover or "",
            "" if row.rate_per_second is None else f"{row.rate_per_second}/s",
            "until clear" if row.share is None and row.expected_seconds is None else _shown(row.expected_seconds),
        )
        for row in plan.steps
    ]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
    ]
    return "\n".join(
        [
            head,
            *lines,
            f"  expected {_shown(plan.expected_seconds)} s in all, of which clients are moved {_shown(plan.limit_seconds)} s at least",
            f"  mover: {plan.mover.mover} ({plan.mover.reason}); {_shown(plan.told_to_go)} MQTT 5 clients get a DISCONNECT by it",
            *_blind(plan),
            *_past(plan),
            *_reach(plan),
            *_late(plan.late),
            *_sessions(plan),
            f"  not carried over: {_lost(plan.losses)}",
            *_estimated(plan),
            f"  gates: {', '.join(plan.gates) or 'none'}",
        ]
    )


def _blind(plan: Forecast) -> list[str]:
    """What a balancer cannot do that does not know clients, the portions of the drain, and whether they fit into the time that it keeps connections."""
    if plan.limits is None:
        return []
    if not plan.mover.portions:
        return [f"  {one}" for one in plan.limits.cannot]
    portions = ", ".join(f"{one:g} %" for one in plan.mover.portions)
    there = "" if plan.limits.keeps_seconds is None else f"; {plan.limits.keeps_seconds:g} s is what there is"
    return [
        *(f"  {one}" for one in plan.limits.cannot),
        f"  the drain goes in portions, with the gates between them: {portions} of the clients",
        f"  all of it takes {_shown(plan.limits.most_seconds)} s at most, gates and returns at their bounds{there}",
    ]


def _past(plan: Forecast) -> list[str]:
    """One line where connections are to be closed that the balancer may not have: devices that do not pass it, or an older process of it that cannot be asked."""
    if plan.mover.mover != "close" or plan.past == 0:
        return []
    if plan.past is None:
        return ["  how many connections are the balancer's is unknown: what it does not have it cannot close"]
    then = (
        "nothing moves them, and the step stops"
        if plan.carries is not None
        else "they are kicked, as the DISCONNECTs above"
    )
    return [f"  {plan.past} connections are not the balancer's, and cannot be closed there: {then}"]


def _reach(plan: Forecast) -> list[str]:
    """One line where the listeners of the new colour accept less than the budget."""
    if plan.accepts is None or plan.accepts > plan.budget_per_second:
        return []
    return [
        f"  the listeners of {plan.to} accept {plan.accepts} connections a second (max_conn_rate), and no more is asked"
    ]


def _sessions(plan: Forecast) -> list[str]:
    """One line where both colours are one cluster."""
    if plan.carries is None:
        return []
    return [f"  one cluster: {_shown(plan.carried)} sessions come along; those of offline clients: {plan.carries.how}"]


def _late(late: Late) -> list[str]:
    """One line where there are any."""
    if not (late.without_id or late.websocket):
        return []
    return [f"  late, in the last step: {late.without_id} without an id of their own, {late.websocket} by WebSocket"]


def _estimated(plan: Forecast) -> list[str]:
    """One line where numbers are no counts."""
    if plan.sample is None:
        return []
    part = f"{plan.sample.looked_at} of {plan.sample.sessions} sessions"
    return [f"  estimated from {part}: the clients of each step, sessions, queued messages; the update counts them all"]


def _lost(losses: Losses) -> str:
    parts = {
        "sessions ended": losses.sessions_ended,
        "sessions left behind": losses.sessions_left,
        "sessions of offline clients": losses.sessions_offline,
        "queued messages": losses.queued_messages,
        **(
            {"stale sessions on the colour that is gone back to": losses.stale_sessions}
            if losses.stale_sessions != 0
            else {}
        ),
    }
    return ", ".join(f"{_shown(number)} {what}" for what, number in parts.items())


def _shown(number: float | None) -> str:
    return "unknown" if number is None else f"{number:.1f}".removesuffix(".0")
