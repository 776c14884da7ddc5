"""The pack's modules as the pack imports them, and a way to ask a policy about inputs in preview."""

from __future__ import annotations

import sys
from pathlib import Path

PACK = Path(__file__).parents[2] / "policies"
sys.path.insert(0, str(PACK))
