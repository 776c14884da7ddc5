"""The detector of each rule; a rule without one is a fault that a test finds."""

from __future__ import annotations

from collections.abc import Mapping

from components.migration.detectors import backup, hop_5x, hop_6x, hop_43, hop_50, hop_51, hop_51_auth
from components.migration.rules import Detector

DETECTORS: Mapping[str, Detector] = {
    **hop_43.DETECTORS,
    **hop_50.DETECTORS,
    **hop_51.DETECTORS,
    **hop_51_auth.DETECTORS,
    **hop_5x.DETECTORS,
    **hop_6x.DETECTORS,
    **backup.DETECTORS,
}
