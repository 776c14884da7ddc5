"""From 4.4 to 5.x: what a 4.4 cluster exported and is configured with becomes what a new 5.x cluster takes."""

from components.migration.hop_44_5.convert import convert
from components.migration.hop_44_5.result import Conversion
from components.migration.hop_44_5.source import Options, Source, read_export
from components.migration.manifest import BadSource
from components.migration.requests import Request

__all__ = ["BadSource", "Conversion", "Options", "Request", "Source", "convert", "read_export"]
