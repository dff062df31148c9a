"""What goes wrong on the way up or down, told with its cure."""


class StackError(Exception):
    """The stack cannot do what was asked.

    `cure` is one sentence that says what to do; `log` holds the last lines of the culprit's log, or nothing.
    """

    def __init__(self, message: str, cure: str = "", log: str = "") -> None:
        super().__init__(message)
        self.cure = cure
        self.log = log


class NotThere(StackError):
    """A service knows no such thing."""
