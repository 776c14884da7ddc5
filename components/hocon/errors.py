"""What is wrong with a HOCON text; a message names the place and never a value, which may be a password."""

from __future__ import annotations


class HoconError(ValueError):
    """The text cannot be read.

    Args:
        reason: in a few words; ``syntax error before: X`` is EMQX's own wording (recordings 05_data_backup, 06_listener_edit).
        line: counted from 1; 0 where the fault has no place.
        file: empty for a text that is no file.

    """

    def __init__(self, reason: str, line: int = 0, file: str = "") -> None:
        """Keep all three, for messages that EMQX lays out in another way."""
        self.reason, self.line, self.file = reason, line, file
        super().__init__(f"{f'{file}: ' if file else ''}{f'line {line}: ' if line else ''}{reason}")


class UnexpectedTokenError(HoconError):
    """A token where none like it may stand; ``token`` as EMQX prints it, its values included: for EMQX's own answer only."""

    def __init__(self, token: str, line: int) -> None:
        """The message has the kind of token, not its text."""
        self.token = token
        super().__init__("something stands where it cannot", line)


class NotGivenError(HoconError):
    """The text includes a file that is not among the given ones; ``name`` as it stands in the text."""

    def __init__(self, name: str, line: int, file: str) -> None:
        """Named, because nothing is opened but what was given."""
        self.name = name
        super().__init__(f"it includes {name}, which was not given", line, file)
