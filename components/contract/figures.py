"""Figures of a benchmark: ratios against a peer doing the same work on the same machine in the same run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured ratio. Higher is always better: a cost is given as theirs over ours.

    Attributes:
        figure: What was measured.
        ratio: Ours against theirs.
        goal: What the ratio should at least be; None where it is there to choose by.
        against: The peer.
    """

    figure: str
    ratio: float
    goal: float | None
    against: str
