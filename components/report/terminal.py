"""The report as a few lines for the end of an update; numbers that are not known are left out, not shown as zero."""

from __future__ import annotations

from components.report.model import Conversion, Report


def summary(report: Report) -> str:
    """At most a dozen short lines, without colours, so that a CI log reads the same."""
    told_if_known = (_moved(report), _planned(report), _devices(report), _connected(report), _sessions(report))
    lines = [_head(report), *(line for line in told_if_known if line)]
    if report.messages:
        told = report.messages
        lines.append(
            f"  messages     {told.published} published, {told.received} received, {told.lost} lost, {told.duplicated} doubled"
        )
    steps = [f"{step.name} {step.clients} in {step.moving_seconds:.1f} s" for step in report.steps if step.clients]
    lines += [f"  steps        {', '.join(steps)}"] if steps else []
    lines += _forecast(report)
    lines += [
        f"  gate         {gate.name} failed in {gate.step}: {gate.reason}" for gate in report.gates if gate.failed
    ]
    lines += [f"  not carried  {loss.count} {loss.section}" for loss in report.losses]
    lines += _configuration(report)
    lines += conversion_lines(report.conversion)
    lines += [f"  error        {error.splitlines()[0][:200]}" for error in report.errors[-1:]]
    lines += [
        f"  earlier      {error.splitlines()[0][:200]} (a run before this one)" for error in report.earlier_errors[-1:]
    ]
    return "\n".join(lines)


def _forecast(report: Report) -> list[str]:
    """What the plan had said of the same steps."""
    told = [
        f"{step.name} {number(step.clients, 0)} in {number(step.seconds)} s" for step in report.planned if step.clients
    ]
    return [f"  planned      {', '.join(told)}"] if told else []


def _configuration(report: Report) -> list[str]:
    found = report.configuration
    if found is None or not found.things:
        return []
    return [
        f"  differs      {found.grave} grave, {found.others} other settings of {report.to}, each named in the report"
    ]


def conversion_lines(found: Conversion | None) -> list[str]:
    """One line where data were converted."""
    if found is None:
        return []
    return [
        f"  converted    {found.carried} carried, {found.changed} changed, {found.dropped} dropped; {found.manifest}"
    ]


def number(value: float | None, digits: int = 1) -> str:
    """A number for reading, a dash where it is not known."""
    return "-" if value is None else f"{value:.{digits}f}"


def _head(report: Report) -> str:
    again = f" in {report.runs} runs" if report.runs > 1 else ""
    if report.direction == "roll":
        moves = sum(step.clients for step in report.steps)
        return (
            f"roll of {report.to}: {report.outcome}, clients moved {moves} times, {report.cutover_seconds:.1f} s{again}"
        )
    return f"cutover: {report.outcome}, {_way(report)}, {report.cutover_seconds:.1f} s{again}"


def _way(report: Report) -> str:
    """Who was moved: all of them only where it is done and there was somebody."""
    if report.sent_back is not None:
        return f"all clients are back on {report.sent_back.to}, {report.sent_back.clients} of them were moved back"
    way = f"back to {report.to}" if report.direction == "back" else f"to {report.to}"
    count = sum(step.clients for step in report.steps)
    if report.outcome == "done" and (count or report.unwatched is None):
        return f"clients moved {way}"
    if report.unwatched is None:
        return f"at least {count} clients moved {way}"
    return f"{count or 'no'} client{'' if count == 1 else 's'} moved {way}"


def _moved(report: Report) -> str:
    if report.clients is None:
        return ""
    text = f"  clients      {report.clients}, moved in {report.moving_seconds:.1f} s"
    if report.limit_seconds is not None:
        text += f"; {report.limit_seconds:.1f} s at {report.budget_per_second}/s, ratio {number(report.ratio, 2)}"
    if report.told_to_go:
        text += f"; {report.told_to_go} MQTT 5 clients got a DISCONNECT"
    if report.limit_seconds is None:
        return text
    if report.unwatched == 0:
        return text
    return f"{text}; {number(report.unwatched, 0)} of them were moved by an evacuation while no update watched"


def _planned(report: Report) -> str:
    """What a roll is paid with: how often a client is disconnected, beside the one time of a strategy with new nodes."""
    if report.most_disconnects is None or not report.clients:
        return ""
    mean = sum(step.clients for step in report.steps) / report.clients
    most = report.most_disconnects
    return f"  by the plan  {most} disconnects of a client at most, {number(mean, 2)} on average (same-cluster: 1)"


def _devices(report: Report) -> str:
    if report.disconnects is None or report.gap_seconds is None:
        return ""
    gap = report.gap_seconds
    return (
        f"  disconnects  {report.disconnects.max} at most, {number(report.disconnects.mean, 2)} on average;"
        f" gap p50 {number(gap.p50, 2)} p99 {number(gap.p99, 2)} max {number(gap.max, 2)} s;"
        f" {number(report.refused_connections, 0)} connects refused{_reasons(report)}"
    )


def _reasons(report: Report) -> str:
    """``: connack 0x89 2, FIN 1``, the most frequent first; empty when nobody was refused."""
    found = sorted((report.refused_by_reason or {}).items(), key=lambda pair: (-pair[1], pair[0]))
    return ": " + ", ".join(f"{reason} {count}" for reason, count in found) if found else ""


def _sessions(report: Report) -> str:
    if report.sessions_carried is None:
        return ""
    lost = "unknown" if report.messages_dropped is None else f"at most {report.messages_dropped}"
    return f"  sessions     {report.sessions_carried} of offline clients carried; messages that a take-over may have lost: {lost}"


def _connected(report: Report) -> str:
    if report.connected is None or not report.connected.of:
        return ""
    least, of = report.connected.min, report.connected.of
    gone = f"; {report.stayed_away} stayed away for good" if report.stayed_away else ""
    return f"  connected    {least} of {of} at least ({least * 100 / of:.1f} %){gone}"
