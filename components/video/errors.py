"""The named exception of a video that cannot be used."""

from typing import Literal

Reason = Literal[
    "missing", "changed", "empty", "not_a_video", "unreadable", "truncated", "damaged", "too_large", "too_long"
]


class UnreadableError(Exception):
    """A video gives no clip; caught where it becomes a reject or an answer to the person who sent it.

    Args:
        reason: A short class of reason.
        detail: A sentence for a person.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
