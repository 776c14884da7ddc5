"""The hop from 4.2 to 4.3 as it was driven by hand, done again between two lab clusters (V_4.2.14_to_4.3.22_*).

The rule: 4.3 gets the export that the lab's 4.2 has made, so that what one writes the other reads; time stands still, since milliseconds decide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components.mqtt import Connect
from lab.node.v4.importing import AS, FailedError, carry_out
from lab.node.v4.line import ENGINE, MNESIA
from tests.lab.recordings.compare import differences
from tests.lab.recordings.old import Entry, OldWorld, as_compared, compare
from tests.lab.recordings.old_clients import may
from tests.lab.recordings.replay import HERE, Tally

FRESH = ("Z", "W", "A", "B", "C", "D", "E", "F")
"""Each began on a new 4.3."""
LATE = (ENGINE, MNESIA, "emqx_web_hook")
LEFT_OUT = {
    "cli": "the lab has no command line of EMQX; its imports are done by the replay itself, and judged by what is asked afterwards",
    "note": "what the recording's script noted, no answer",
    "moment": "which of the other plugins were there already was a matter of milliseconds",
    "later": "needs a plugin that is loaded after an import, done by tests/lab/test_v4_nodes.py",
}
STANDS = 1_795_935_543.35


class Hop:
    """Two clusters of one node, and what has been exported."""

    def __init__(self, old: OldWorld, new: OldWorld, kind: str) -> None:
        """``kind`` is how 4.2 took its users: username or clientid."""
        self.old, self.new, self.kind = old, new, kind
        colony = old.managed.colony
        file = colony.directory / "plugins" / "emqx_auth_mnesia.conf"
        file.write_text(file.read_text().replace("auth.mnesia.as = username", f"auth.mnesia.as = {kind}"))
        colony.read()
        new.clock.stands = STANDS
        self.letter = ""
        self.document: dict[str, Any] = {}

    async def play(self) -> Tally:
        """All entries in order."""
        name = f"V_4.2.14_to_4.3.22_as_{self.kind}"
        tally = Tally(name)
        for number, entry in enumerate(json.loads((HERE / f"{name}.json").read_text())):
            self._begin(entry["name"])
            found = await self._do(entry)
            if isinstance(found, str):
                tally.excluded[found] = tally.excluded.get(found, 0) + 1
                continue
            tally.compared += 1
            tally.differences += [f"{name} #{number} [{entry['name']}]: {one}" for one in found]
        return tally

    def _begin(self, name: str) -> None:
        """A letter is a new 4.3; the first one met it while its plugins were still to come."""
        found = re.search(r"\): ([A-F WZ]):", name)
        colony = self.new.managed.colony
        if found and found[1] in FRESH and found[1] != self.letter:
            self.letter = found[1]
            self._renew()
            for plugin in LATE if self.letter == "Z" else ():
                colony.plugged(plugin, loaded=False)
        elif name.endswith("Z: users after that"):
            for plugin in LATE:
                colony.plugged(plugin, loaded=True)

    def _renew(self) -> None:
        self.new.forget()
        colony = self.new.managed.colony
        for plugin in LATE:
            colony.plugged(plugin, loaded=False)
            colony.plugged(plugin, loaded=True)
        self._lay(self.document)

    def _lay(self, document: dict[str, Any]) -> None:
        """The files that the recording's script put on 4.3."""
        place = self.new.managed.place(f"emqx@{self.new.host()}")
        whole = json.dumps(document)
        for name in self.exports:
            (place / name).write_text(whole)
        hooks = {one["id"] for one in document.get("resources", [])}
        without = document | {
            "resources": [],
            "rules": [one for one in document.get("rules", []) if not _uses(one, hooks)],
        }
        (place / "without-webhook.json").write_text(json.dumps(without))

    exports: tuple[str, ...] = ()

    async def _do(self, entry: Entry) -> Iterable[str] | str:
        if "request" in entry:
            return await self._ask(entry)
        if "cli" in entry:
            return self._command(entry)
        if "document" in entry:
            return self._exported(entry)
        if "connects" in entry:
            return await self._asked(entry)
        return LEFT_OUT["note"]

    async def _ask(self, entry: Entry) -> list[str] | str:
        if ": F: " in entry["name"]:
            return LEFT_OUT["later"]
        if ": Z: plugins" in entry["name"]:
            return LEFT_OUT["moment"]
        world = self.old if ".42." in entry["request"]["address"] else self.new
        if "after a restart of 4.2" in entry["name"]:
            await self.old.restart()
        found = compare(world, entry, await world.send(entry))
        self.new.names |= {theirs: ours for theirs, ours in self.old.names.items() if ":" in theirs or "_" in theirs}
        return found

    def _command(self, entry: Entry) -> list[str] | str:
        words = entry["cli"]["command"][1:]
        match words:
            case ["plugins", "load", plugin] if not self.document:
                self.old.managed.colony.plugged(plugin, loaded=True)
            case ["data", "import", file, "--env", env] if "without" in file:
                return self._imported(entry, Path(file).name, json.loads(env))
        return LEFT_OUT["cli"]

    def _next(self, letter: str) -> None:
        self.letter = letter
        self._renew()

    def _imported(self, entry: Entry, name: str, env: dict[str, str]) -> list[str]:
        """What the command does with ``--env``: the same as a key of the document."""
        if self.letter == "A":
            self._next("B")
        if AS in env and self.letter == "B" and env[AS] != self.kind:
            self._next("C")
        place = self.new.managed.place(f"emqx@{self.new.host()}")
        document = json.loads((place / name).read_text())
        try:
            carry_out(self.new.managed.colony, f"emqx@{self.new.host()}", document | env)
        except FailedError:
            return [] if "failed" in entry["cli"]["output"] else ["the import fails"]
        return [] if "successfully" in entry["cli"]["output"] else ["the import does not fail"]

    def _exported(self, entry: Entry) -> list[str]:
        """The document: of 4.2 it is what 4.3 gets from here on."""
        world = self.new if "4.3 export" in entry["name"] else self.old
        place = world.managed.place(f"emqx@{world.host()}")
        path = max(
            place.glob("emqx-export-2*.json"), key=lambda one: (one.name not in self.exports, one.stat().st_mtime)
        )
        text = path.read_text()
        if world is self.old:
            self.document = json.loads(text)
            entries = json.loads((HERE / f"V_4.2.14_to_4.3.22_as_{self.kind}.json").read_text())
            names = [one["request"].get("body") for one in entries if "request" in one]
            self.exports = tuple(
                {
                    one["filename"]
                    for one in names
                    if isinstance(one, dict) and one.get("filename", "").startswith("emqx-")
                }
            )
        return differences(as_compared(entry["document"]), as_compared(json.loads(world.there(text))))

    async def _asked(self, entry: Entry) -> list[str]:
        world = self.new if "4.3 a" in entry["name"] or ": C: " in entry["name"] else self.old
        if "after a restart" in entry["name"] and world is self.new:
            await world.restart()
        out = []
        for client_id, username, password, code in entry["connects"]:
            secret = None if password is None else password.encode()
            device, connack = await world.device(Connect(client_id, username=username, password=secret))
            await device.drop()
            if connack.reason != code:
                out.append(f"{client_id} {username} {password}: {connack.reason} instead of {code}")
        for who, action, topic, said in entry["answers"]:
            ours = await self._may(world, who, action, topic)
            if ours != said:
                out.append(f"{who} {action} {topic}: {ours} instead of {said}")
        return out

    async def _may(self, world: OldWorld, who: str, action: str, topic: str) -> str:
        by_name = self.kind == "username"
        client_id, username = (f"c-{who}", who) if by_name else (who, f"u-{who}")
        return await may(
            world, Connect(client_id, level=5, username=username, password=f"{who}-pw".encode()), action, topic
        )


def _uses(rule: dict[str, Any], resources: set[str]) -> bool:
    return any(action["args"].get("$resource") in resources for action in rule["actions"])
