"""The names of `components.router.configuration` for callers above the router's layer."""

from components.router.configuration import HaproxySettings, Side, render

__all__ = ["HaproxySettings", "Side", "render"]
