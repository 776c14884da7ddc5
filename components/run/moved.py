"""What the movers of a step have done so far; a mover adds to it as it works, the meter reads it."""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from components.emqx.packed import Packed


class Departures:
    """Who was moved and when, so that those who do not come again can be named; of a client it keeps the letters of its id, and four bytes of one that speaks MQTT 5."""

    def __init__(self) -> None:
        """Nobody yet."""
        self._rounds: list[tuple[Packed, list[int], list[float]]] = []
        self._mqtt5 = array("I")

    def leave(self, ids: Sequence[str]) -> None:
        """These are going to be moved, in this order, which is sorted."""
        self._rounds.append((Packed(ids), [], []))

    def left(self, count: int, at: float) -> None:
        """So many of the newest ``ids`` have been moved by now (unix seconds)."""
        _, counts, times = self._rounds[-1]
        counts.append(count)
        times.append(at)

    def speaks_mqtt5(self, client_id: str) -> None:
        """The client speaks MQTT 5."""
        self._mqtt5.append(_mark(client_id))

    def mqtt5(self, ids: Iterable[str]) -> Callable[[str], bool]:
        """Whether one of these clients speaks MQTT 5; what it is made of is as large as they are, and not the fleet."""
        those = frozenset(_mark(one) for one in ids).intersection(self._mqtt5)
        return lambda client_id: _mark(client_id) in those

    def __contains__(self, client_id: object) -> bool:
        """Whether it was moved."""
        return isinstance(client_id, str) and self._at(client_id) is not None

    def __bool__(self) -> bool:
        """Whether the mover knows whom it moved."""
        return bool(self._rounds)

    def __iter__(self) -> Iterator[str]:
        """All that were moved."""
        for ids, counts, _ in self._rounds:
            yield from ids[: counts[-1] if counts else 0]

    def told(self, client_id: str) -> str:
        """``dev-1 (MQTT 5, since 10:51:53Z)``; the other version is 3.1 or 3.1.1."""
        moment = self._at(client_id)
        since = "" if moment is None else f", since {datetime.fromtimestamp(moment, UTC):%H:%M:%SZ}"
        version = "5" if _mark(client_id) in self._mqtt5 else "3"
        return f"{client_id} (MQTT {version}{since})"

    def _at(self, client_id: str) -> float | None:
        for ids, counts, times in reversed(self._rounds):
            index = bisect_left(ids, client_id)
            batch = bisect_right(counts, index)
            if index < len(ids) and ids[index] == client_id and batch < len(counts):
                return times[batch]
        return None


def _mark(client_id: str) -> int:
    return zlib.crc32(client_id.encode())


@dataclass
class Moved:
    """What a mover has done so far, and how long it was disconnecting clients; ``rate`` is the clients per second that the meter allows now, ``departures`` are who left, where the mover knows."""

    to_move: int = 0
    count: int = 0
    seconds: float = 0.0
    rate: int | None = None
    departures: Departures = field(default_factory=Departures)
