"""The report as one self-contained page, readable in light and dark; everything that comes from outside is escaped.

The rule: no script, nothing fetched, and the same report gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from components.report.chart import connections, gap_histogram
from components.report.model import Conversion, Report
from components.report.terminal import number

_STYLE = """
:root { color-scheme: light dark; --paper: #fdfdfc; --ink: #1c1e21; --quiet: #62676f; --rule: #d9dce0; --panel: #f3f4f5;
  --blue: #1f6fd1; --green: #17804a; --band: rgba(98,103,111,.10); --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --ink: #e8eaed; --quiet: #9aa0a8; --rule: #33373d; --panel: #1f2226;
  --blue: #6aa9f7; --green: #4fc488; --band: rgba(154,160,168,.14); --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.05rem; margin: 2.25rem 0 .5rem; }
p { margin: .25rem 0; color: var(--quiet); }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: .5rem; margin: 1.25rem 0; }
.figures div { background: var(--panel); border-radius: .4rem; padding: .55rem .75rem; }
.figures b { display: block; font-size: 1.25rem; font-weight: 600; white-space: nowrap; } .figures span { color: var(--quiet); font-size: .85rem; }
.scroll { overflow-x: auto; }
svg { display: block; width: 100%; min-width: 36rem; height: auto; }
text { font: 12px system-ui, sans-serif; fill: var(--ink); } text.quiet { fill: var(--quiet); } text.label { font-weight: 600; }
text.blue { fill: var(--blue); } text.green { fill: var(--green); }
.grid { stroke: var(--rule); } .ground { stroke: var(--quiet); } .mark { stroke: var(--quiet); stroke-dasharray: 2 3; }
.step { fill: var(--band); } .bar { fill: var(--blue); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .line.total { stroke: var(--ink); stroke-width: 1.5; }
.line.blue { stroke: var(--blue); } .line.green { stroke: var(--green); }
table { border-collapse: collapse; width: 100%; } th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--rule); }
th:first-child, td:first-child, td.text, th.text { text-align: left; } th { color: var(--quiet); font-weight: 500; }
.bad { color: var(--bad); } pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .25rem 0; }
"""


def page(report: Report) -> str:
    """The whole page."""
    began = datetime.fromtimestamp(report.began_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    way = {"back": "Way back to", "roll": "Roll of"}.get(report.direction, "Cutover to")
    again = f", in {report.runs} runs" if report.runs > 1 else ""
    title = f"{way} {report.to}: {report.outcome}"
    chart, gaps = connections(report), gap_histogram(report)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(began)}, {number(report.cutover_seconds)} seconds{escape(again)}</p>",
        _figures(report),
        "".join(f'<pre class="bad">{escape(error)}</pre>' for error in report.errors),
        "".join(f"<pre>in a run before this one: {escape(error)}</pre>" for error in report.earlier_errors),
        _section("Connections", f'<div class="scroll">{chart}</div>' if chart else ""),
        _section("Time without a connection", f'<div class="scroll">{gaps}</div>' if gaps else ""),
        _section("Steps", _steps(report)),
        _section("Planned and done", _planned(report)),
        _section("Gates that did not pass", _gates(report)),
        _section("Not carried over", _losses(report)),
        _section("Configuration that no import carries", _configuration(report)),
        _section("What the conversion changed and dropped", conversion_part(report.conversion)),
        _section("Connects refused", _refused(report)),
        _section("Links", _links(report)),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _refused(report: Report) -> str:
    found = sorted((report.refused_by_reason or {}).items())
    return _table(("what the device met", "times"), ((reason, str(count)) for reason, count in found))


def _figures(report: Report) -> str:
    gap, told, least = report.gap_seconds, report.messages, report.connected
    figures = [
        ("clients", number(report.clients, 0)),
        ("disconnects of a client, at most", number(report.disconnects.max, 0) if report.disconnects else None),
        ("disconnects of a client in this roll, at most (same-cluster: 1)", number(report.most_disconnects, 0)),
        ("connects refused", number(report.refused_connections, 0)),
        ("MQTT 5 clients told to go", number(report.told_to_go, 0)),
        ("sessions of offline clients carried", number(report.sessions_carried, 0)),
        ("messages without a subscriber", number(report.messages_dropped, 0)),
        ("seconds without connection, p99", number(gap.p99, 2) if gap else None),
        ("connected at least", f"{least.min} of {least.of}" if least else None),
        ("stayed away for good", number(report.stayed_away, 0)),
        ("messages lost", number(told.lost, 0) if told else None),
        ("messages doubled", number(told.duplicated, 0) if told else None),
        ("seconds of moving", number(report.moving_seconds)),
        (f"seconds at {number(report.budget_per_second, 0)}/s", number(report.limit_seconds)),
        ("ratio of the two", number(report.ratio, 2)),
        ("moved by an evacuation that no update watched", _unwatched(report.unwatched)),
    ]
    tiles = "".join(
        f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>"
        for name, value in figures
        if value not in {None, "-"}
    )
    return f'<div class="figures">{tiles}</div>'


def _unwatched(count: int | None) -> str | None:
    return "not known" if count is None else str(count or "") or None


def _section(title: str, body: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{body}" if body else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], text: int = 1) -> str:
    """The first ``text`` columns are words, the others numbers; nothing without rows."""

    def line(tag: str, cells: Sequence[str]) -> str:
        named = [' class="text"' if index < text else "" for index in range(len(cells))]
        return (
            "<tr>"
            + "".join(f"<{tag}{kind}>{escape(one)}</{tag}>" for kind, one in zip(named, cells, strict=True))
            + "</tr>"
        )

    body = "\n".join(line("td", row) for row in rows)
    return f'<div class="scroll"><table>\n{line("th", head)}\n{body}\n</table></div>' if body else ""


def _steps(report: Report) -> str:
    return _table(
        ("step", "mover", "share %", "clients", "began s", "ended s", "moving s", "clients/s"),
        (
            (
                step.name,
                step.mover or "",
                "-" if step.share is None else f"{step.share:g}",
                str(step.clients),
                number(step.began),
                number(step.ended),
                number(step.moving_seconds, 2),
                number((step.clients - (step.unwatched or 0)) / step.moving_seconds, 0) if step.moving_seconds else "-",
            )
            for step in report.steps
        ),
        text=2,
    )


def _planned(report: Report) -> str:
    done = {step.name: step for step in report.steps}
    rows = []
    for step in report.planned:
        act = done.get(step.name)
        taken = None if act is None or act.ended is None else act.ended - act.began
        rows.append(
            (
                step.name,
                step.mover or "",
                "" if act is None else act.mover or "",
                number(step.clients, 0),
                "-" if act is None else str(act.clients),
                number(step.seconds),
                number(taken),
            )
        )
    head = ("step", "mover planned", "mover", "clients planned", "clients", "seconds planned", "seconds")
    return _table(head, rows, text=3)


def _gates(report: Report) -> str:
    return _table(
        ("gate", "step", "node", "reason", "value", "threshold", "failed", "unknown"),
        (
            (
                gate.name,
                gate.step,
                gate.node,
                gate.reason,
                number(gate.value, 3),
                number(gate.threshold, 3),
                str(gate.failed),
                str(gate.unknown),
            )
            for gate in report.gates
        ),
        text=4,
    )


def _losses(report: Report) -> str:
    accepted = {True: "yes", False: "no", None: ""}
    rows = ((loss.section, accepted[loss.acknowledged], str(loss.count)) for loss in report.losses)
    return _table(("section", "acknowledged", "count"), rows, text=2)


def _configuration(report: Report) -> str:
    found = report.configuration
    if found is None or not found.things:
        return ""
    where = {"missing": f"not on {report.to}", "extra": f"only on {report.to}", "different": "different on both"}
    rows = (
        (one.name, one.kind, "yes" if one.grave else "no", where[one.state], ", ".join(one.paths))
        for one in found.things
    )
    table = _table(("what", "kind", "grave", "where", "settings"), rows, text=5)
    return f"<details><summary>{found.grave} grave, {found.others} others</summary>\n{table}\n</details>"


def conversion_part(found: Conversion | None) -> str:
    """The account of a conversion; nothing where there was none."""
    if found is None:
        return ""
    told = [
        *(f"not given: {what}" for what in found.not_given),
        *found.losses,
        *(f"proof: {line}" for line in found.proof),
    ]
    more = f", and {found.left_out} more losses" if found.left_out else ""
    items = "".join(f"<li>{escape(line)}</li>" for line in told)
    head = f"{found.carried} carried, {found.changed} changed, {found.dropped} dropped{more}; all of them in {found.manifest}"
    return f"<p>{escape(head)}</p>\n<ul>{items}</ul>"


def _links(report: Report) -> str:
    return _table(("link", "seconds"), ((link.name, number(link.seconds)) for link in report.links))
