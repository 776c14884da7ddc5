"""Charts as inline SVG, drawn by hand; the same report gives the same bytes, and colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from components.report.model import Report, StepReport
from components.report.terminal import number

WIDTH, HEIGHT = 960, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 76, 60, 44
NAME_ROWS = (8, 21, 34)
"""How far above the chart the names of steps stand; steps that follow each other closely get different rows."""
Point = tuple[float, float]


class Scale(NamedTuple):
    """Data to pixels: x is seconds or bins, y is a count from 0."""

    most_x: float
    most_y: float

    def x(self, value: float) -> float:
        """From the left edge."""
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.most_x

    def y(self, value: float) -> float:
        """From the top edge."""
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.most_y


def connections(report: Report) -> str:
    """Connected clients over time: blue, green and both together, with the steps marked; empty without samples."""
    totals = [
        (one.t, float(one.blue + one.green)) for one in report.samples if one.blue is not None and one.green is not None
    ]
    if report.levels:
        totals = [(level.t, float(level.connected)) for level in report.levels]
    blue = [(one.t, float(one.blue)) for one in report.samples if one.blue is not None]
    green = [(one.t, float(one.green)) for one in report.samples if one.green is not None]
    if not (blue or green):
        return ""
    most = max(value for _, value in (*totals, *blue, *green))
    scale = Scale(max(report.cutover_seconds, *(one.t for one in report.samples), 0.001), _round_up(most or 1))
    parts = [
        *_axes(scale, "seconds since the cutover began", "connected clients"),
        *_steps(scale, report.steps),
        _line(scale, totals, "total", stairs=bool(report.levels)),
        _line(scale, blue, "blue"),
        _line(scale, green, "green"),
        *_end_labels(scale, {"total": totals, "blue": blue, "green": green}),
    ]
    return _svg(parts, "Connected clients of each colour and in total over time, with the steps of the cutover")


def gap_histogram(report: Report) -> str:
    """How many reconnects took how long; empty without the fleet's log."""
    if not report.gaps:
        return ""
    scale = Scale(len(report.gaps), _round_up(max(one.count for one in report.gaps)))
    parts = list(_rows(scale, "reconnects"))
    low = 0.0
    for index, one in enumerate(report.gaps):
        left, right = scale.x(index) + 1, scale.x(index + 1) - 1
        top, ground = scale.y(one.count), scale.y(0)
        label = f"{low:g} to {one.up_to_seconds:g} s: {one.count}"
        parts.append(
            f'<rect class="bar" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{ground - top:.1f}">'
            f"<title>{escape(label)}</title></rect>"
        )
        if one.count:
            parts.append(_text((left + right) / 2, top - 5, str(one.count), "middle"))
        parts.append(_text(right + 1, ground + 16, f"{one.up_to_seconds:g}", "middle", "quiet"))
        low = one.up_to_seconds
    parts.append(
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "seconds without a connection, at most", "middle", "quiet")
    )
    return _svg(parts, "Histogram of the time that devices were without a connection")


def _svg(parts: Iterable[str], title: str) -> str:
    body = "\n".join(part for part in parts if part)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">\n{body}\n</svg>'


def _axes(scale: Scale, x_title: str, y_title: str) -> Iterable[str]:
    yield from _rows(scale, y_title)
    for value in _ticks(scale.most_x):
        yield _text(scale.x(value), HEIGHT - BOTTOM + 16, f"{value:g}", "middle", "quiet")
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_title, "middle", "quiet")


def _rows(scale: Scale, title: str) -> Iterable[str]:
    for value in _ticks(scale.most_y):
        y = scale.y(value)
        kind = "ground" if value == 0 else "grid"
        yield f'<line class="{kind}" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
        yield _text(LEFT - 8, y + 4, f"{value:g}" if value < 100_000 else f"{value / 1_000:g}k", "end", "quiet")
    yield _text(8, 14, title, "start", "quiet")


def _steps(scale: Scale, steps: Sequence[StepReport]) -> Iterable[str]:
    """A band for each step, its name above it where there is room; the tooltip always has it."""
    free = dict.fromkeys(NAME_ROWS, 0.0)
    for step in steps:
        left = scale.x(step.began)
        right = max(left + 1.5, scale.x(min(step.ended if step.ended is not None else scale.most_x, scale.most_x)))
        tip = f"{step.name}: {step.clients} clients in {number(step.moving_seconds)} s"
        yield (
            f'<rect class="step" x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" height="{HEIGHT - TOP - BOTTOM}">'
            f"<title>{escape(tip)}</title></rect>"
        )
        row = next((row for row in NAME_ROWS if left >= free[row]), None)
        top = TOP - (row or 0)
        yield f'<line class="mark" x1="{left:.1f}" y1="{top}" x2="{left:.1f}" y2="{HEIGHT - BOTTOM}"/>'
        if row is not None:
            yield _text(left + 3, top, step.name, "start")
            free[row] = left + 8 + 7 * len(step.name)


def _line(scale: Scale, points: Sequence[Point], kind: str, *, stairs: bool = False) -> str:
    if not points:
        return ""
    path = [f"M{scale.x(points[0][0]):.1f} {scale.y(points[0][1]):.1f}"]
    for t, value in points[1:]:
        x, y = scale.x(min(t, scale.most_x)), scale.y(value)
        path.append(f"H{x:.1f}V{y:.1f}" if stairs else f"L{x:.1f} {y:.1f}")
    return f'<path class="line {kind}" d="{"".join(path)}"/>'


def _end_labels(scale: Scale, lines: dict[str, Sequence[Point]]) -> Iterable[str]:
    """Each line's name at its end, moved apart where two ends meet."""
    ends = sorted((scale.y(points[-1][1]), kind) for kind, points in lines.items() if points)
    below = -math.inf
    for y, kind in ends:
        below = max(y + 4, below + 15)
        yield _text(WIDTH - RIGHT + 8, below, kind, "start", f"label {kind}")


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _ticks(most: float) -> list[float]:
    """About five round values from 0 to ``most``."""
    step = _nice(most / 5)
    return [round(index * step, 6) for index in range(int(most / step + 1e-9) + 1)]


def _round_up(most: float) -> float:
    step = _nice(most / 5)
    return step * math.ceil(most / step - 1e-9)


def _nice(raw: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(raw))
    times = raw / power - 1e-9
    return power * next(nice for nice in (1, 2, 5, 10) if nice >= times)
