"""Clients of a library of its own (paho) in a story of one cluster: publishers and listeners of both cohorts, a shared subscription, bearers of wills.

The rule: nothing is sent before everybody listens, and what is judged is what they got, not when.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from components.cutover.cohort import belongs
from components.system.address import parsed
from lab.filling import DEVICE_USER
from lab.stage import Stage
from tests.lab.balancer_life_bed import until

FIRST_PARTS = 3_000
"""The share of the story's first step."""
PAUSE_SECONDS = 0.1
TALK, SHARED, WILLS = "fleet/talk", "fleet/shared", "fleet/wills"


@dataclass(frozen=True)
class Kind:
    """A kind of client of recording B1_close_kinds_ce: its will, and whether that is published when its connection is closed and it comes back."""

    level: int
    clean: bool
    expiry: int
    delay: int
    published: bool


BEARERS: Mapping[str, Kind] = {
    "persistent-3": Kind(4, clean=False, expiry=0, delay=0, published=True),
    "persistent-5": Kind(5, clean=False, expiry=600, delay=0, published=True),
    "persistent-5-delayed": Kind(5, clean=False, expiry=600, delay=300, published=False),
    "clean-5-delayed": Kind(5, clean=True, expiry=600, delay=300, published=True),
    "expiry-0-delayed": Kind(5, clean=False, expiry=0, delay=300, published=True),
}


def ids(word: str) -> tuple[str, str]:
    """Two ids, of the first cohort and of the last one."""
    found = [f"{word}-{number}" for number in range(200)]
    return (
        next(one for one in found if belongs(one, FIRST_PARTS)),
        next(one for one in found if not belongs(one, FIRST_PARTS)),
    )


@dataclass
class Guest:
    """One client; ``got`` is topic, payload, and whether it came with DUP, ``again`` what it may have said twice: its answer was lost with a connection."""

    stage: Stage
    client_id: str
    kind: Kind = field(default_factory=lambda: Kind(5, clean=False, expiry=600, delay=0, published=False))
    topics: Sequence[str] = ()
    will: str = ""
    got: list[tuple[str, str, bool]] = field(default_factory=list)
    disconnects: int = 0
    said: dict[int, str] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    ready: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Connect, and subscribe once: the session is to keep it."""
        five = self.kind.level == paho.MQTTv5
        more: dict[str, Any] = {} if five else {"clean_session": self.kind.clean}
        protocol = paho.MQTTv5 if five else paho.MQTTv311
        self.client = paho.Client(CallbackAPIVersion.VERSION2, self.client_id, protocol=protocol, **more)
        self.client.username_pw_set(DEVICE_USER, self.stage.secrets["device"])
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect, self.client.on_disconnect = self._connected, self._disconnected
        self.client.on_publish = self._published
        self.client.on_message, self.client.on_subscribe = self._message, lambda *_: self.ready.set()
        if self.will:
            self.client.will_set(WILLS, self.will, qos=1, properties=self._delay() if five else None)
        where = parsed(self.stage.mqtt)
        at: dict[str, Any] = {"clean_start": self.kind.clean, "properties": self._expiry()} if five else {}
        self.client.connect(where.host, where.port, **at)
        self.client.loop_start()
        assert self.ready.wait(60), f"{self.client_id} did not come"

    def _delay(self) -> Properties:
        found = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]  # it is the library's
        found.WillDelayInterval = self.kind.delay
        return found

    def _expiry(self) -> Properties:
        found = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # it is the library's
        found.SessionExpiryInterval = self.kind.expiry
        return found

    def _connected(self, *_: Any) -> None:
        if self.ready.is_set():
            return
        if self.topics:
            self.client.subscribe([(topic, 1) for topic in self.topics])
        else:
            self.ready.set()

    def _disconnected(self, *_: Any) -> None:
        self.disconnects += 1
        self.again |= set(self.said.values())

    def _published(self, *answer: Any) -> None:
        self.said.pop(answer[2], None)

    def say(self, topic: str, payload: str) -> None:
        """With QoS 1; paho keeps what cannot be sent now."""
        before = self.disconnects
        info = self.client.publish(topic, payload, qos=1)
        self.said[info.mid] = payload
        if self.disconnects != before or not self.client.is_connected():
            self.again.add(payload)

    def _message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.got.append((message.topic, message.payload.decode(), message.dup))

    def payloads(self, topic: str, again: Collection[str] = ()) -> list[str]:
        """The first delivery of each, in their order; one that comes again must say so (DUP), or was published again."""
        seen: Counter[str] = Counter()
        for where, payload, dup in list(self.got):
            if where == topic:
                assert dup or not seen[payload] or payload in again, f"{payload} came to {self.client_id} twice"
                seen[payload] += 1
        return list(seen)

    def leave(self) -> None:
        """With a DISCONNECT: no will; it is none that counts."""
        self.client.on_disconnect = None
        self.client.disconnect()
        self.client.loop_stop()


class Company:
    """All of them."""

    def __init__(self, stage: Stage) -> None:
        self.listeners = [Guest(stage, one, topics=(TALK,)) for one in ids("listener")]
        self.members = [Guest(stage, one, topics=(f"$share/group/{SHARED}",)) for one in ids("member")]
        self.watcher = Guest(stage, ids("watcher")[0], topics=(WILLS,))
        self.speakers = [Guest(stage, one) for one in ids("speaker")]
        self.bearers = [Guest(stage, name, kind, will=name) for name, kind in BEARERS.items()]
        self.said: dict[str, list[str]] = {one.client_id: [] for one in self.speakers}

    @property
    def everybody(self) -> list[Guest]:
        return [*self.listeners, *self.members, self.watcher, *self.speakers, *self.bearers]

    def speak(self, over: threading.Event) -> None:
        """Each speaker says something to both topics, over and over."""
        for number in count():
            if over.wait(PAUSE_SECONDS):
                return
            for one in self.speakers:
                payload = f"{one.client_id} {number}"
                one.say(TALK, payload)
                one.say(SHARED, payload)
                self.said[one.client_id].append(payload)

    @property
    def again(self) -> set[str]:
        """What may have been published twice, as QoS 1 allows."""
        return {payload for one in self.speakers for payload in one.again}

    def all_came(self) -> bool:
        """Whether each listener has everything, and the members have it between them."""
        wanted, again = {payload for said in self.said.values() for payload in said}, self.again
        shared = {payload for one in self.members for payload in one.payloads(SHARED, again)}
        return shared >= wanted and all(set(one.payloads(TALK, again)) >= wanted for one in self.listeners)

    def judge(self, moves: int) -> None:
        """What same-cluster's recordings say of them; in which order paho says again what it had to keep is its own affair."""
        again = self.again
        for listener in self.listeners:
            for speaker, said in self.said.items():
                got = [one for one in listener.payloads(TALK, again) if one.startswith(f"{speaker} ")]
                assert [one for one in got if one not in again] == [one for one in said if one not in again]
        between = Counter(payload for one in self.members for payload in one.payloads(SHARED, again))
        assert {payload for payload, times in between.items() if times > 1} <= again, "a shared message is one member's"
        assert all(one.payloads(SHARED, again) for one in self.members)
        told = [payload for _, payload, dup in self.watcher.got if not dup]
        assert sorted(told) == sorted(name for name, kind in BEARERS.items() if kind.published)
        assert {one.client_id: one.disconnects for one in self.everybody} == {
            one.client_id: moves for one in self.everybody
        }


@contextmanager
def company(stage: Stage) -> Iterator[Company]:
    """They talk as long as the block lasts; at its end everything has come."""
    there, over = Company(stage), threading.Event()
    speaking = threading.Thread(target=there.speak, args=(over,))
    speaking.start()
    try:
        yield there
        over.set()
        speaking.join()
        until(there.all_came)
    finally:
        over.set()
        speaking.join()
        for one in there.everybody:
            one.leave()
