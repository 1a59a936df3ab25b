"""Errors that a person can act on."""


class StepError(Exception):
    """A step cannot go on, for a reason outside its code.

    The console shows both sentences; anything that is not a StepError is shown as a bug.

    Args:
        found: What was found, and what was expected.
        remedy: What to do about it.
    """

    def __init__(self, found: str, *, remedy: str) -> None:
        super().__init__(f"{found} {remedy}")
        self.found = found
        self.remedy = remedy
