"""Writes what the policy pack has from elsewhere (`python -m tools.write_policies`): the routes from the components' matrix, its README from its rules.

The rule: the pack runs apart and imports nothing of ours, so what it shares is data; tests hold both files current.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from components.cutover.routes import ONE_EDITION, Route, route
from components.cutover.versions import KNOWN, newest
from components.cutover.words import Edition

PACK = Path(__file__).resolve().parent.parent / "policies"
ROUTES, README = PACK / "rules" / "routes.json", PACK / "README.md"
EDITIONS: tuple[Edition, ...] = ("ce", "ee")


def main() -> int:
    """Write both files."""
    ROUTES.write_text(routes_text(), encoding="utf-8")
    README.write_text(readme(), encoding="utf-8")
    return 0


def routes_text() -> str:
    """The matrix by lines: from ``5.8 ee`` to ``5.9 ee``, and the strategies that may do it; what is missing is refused."""
    lines = [(edition, line) for edition in EDITIONS for line in sorted(KNOWN[edition])]
    found: dict[str, dict[str, list[str]]] = {}
    for edition, line in lines:
        there = found.setdefault(f"{line[0]}.{line[1]} {edition}", {})
        for other, target in lines:
            first, last = f"{line[0]}.{line[1]}.0", str(newest(target, other))
            allowed = route(first, last, edition, other)
            if isinstance(allowed, Route) and allowed.hops:
                there[f"{target[0]}.{target[1]} {other}"] = list(allowed.hops[0].strategies)
            elif isinstance(allowed, Route):
                there[f"{target[0]}.{target[1]} {other}"] = ["rolling", "same-cluster", "two-cluster"]
    releases = {
        edition: {f"{line[0]}.{line[1]}": patch for line, patch in sorted(KNOWN[edition].items())}
        for edition in EDITIONS
    }
    document = {"licence_from": list(ONE_EDITION), "releases": releases, "routes": found}
    return json.dumps(document, indent=1) + "\n"


def readme() -> str:
    """What the pack demands, rule by rule, as the rules themselves say it."""
    parts = [_HEAD]
    for concern in _rules().CONCERNS:
        title = concern.__name__.rpartition(".")[2].replace("_", " ").capitalize().replace("Aws", "AWS")
        parts.append(f"## {title}\n\n{(concern.__doc__ or '').splitlines()[0]}\n")
        parts += [_described(rule) for rule in concern.RULES]
    return "\n".join(parts)


def _described(rule: Any) -> str:
    types = (
        "".join(f"`{token}` " for token in sorted(rule.types)) if len(rule.types) <= 4 else f"{len(rule.types)} types "
    )
    lines = [
        f"### `{rule.name}`\n",
        f"{rule.about}\n",
        f"- severity: {rule.severity.value}; looks at {types.strip().replace('` `', '`, `')}",
        f"- remedy: {rule.remedy}",
    ]
    for name, one in rule.settings.items():
        bounds = ", ".join(f"{key} {json.dumps(value)}" for key, value in one.schema.items())
        lines.append(f"- setting `{name}` ({bounds}; default {json.dumps(one.default)}): {one.about}")
    return "\n".join(lines) + "\n"


def _rules() -> Any:
    if str(PACK) not in sys.path:
        sys.path.insert(0, str(PACK))
    return importlib.import_module("rules")


_HEAD = """# The policies

Written by `python -m tools.write_policies` from the rules themselves; a test holds it current.

`pulumi preview --policy-pack policies` and `pulumi up --policy-pack policies` refuse what these rules name. All of them are mandatory, and one that
cannot see its value (an output that is not known in a preview, an input of another shape) refuses too: the SDK would turn it into advice that
stops nothing. What a team may tune is given as `--policy-pack-config FILE`:

```json
{"first-step-small": {"mostPercent": 5}, "tls-in-production": {"plain": "refuse"}, "budget-fits": {"enforcementLevel": "advisory"}}
```

Rules judge what is declared. What is measured (health, clients, losses) is judged by the update itself, by its gates.
"""

if __name__ == "__main__":
    sys.exit(main())
