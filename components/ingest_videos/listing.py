"""What a source offers, and what fetching from it gives."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Candidate:
    """A video that a source lists.

    Attributes:
        name: Unique within the source.
        label: Class name.
        group: Qualified by the class, e.g. `SitDown/g03`.
    """

    name: str
    label: str
    group: str


@dataclass(frozen=True)
class Located:
    """A video's bytes.

    Attributes:
        uri: Where they are.
        bytes: How many.
        sha256: Their checksum, hexadecimal.
    """

    uri: str
    bytes: int
    sha256: str


@dataclass
class Fetched:
    """What came of fetching.

    Attributes:
        located: By name of the candidate.
        rejected: Why a candidate was left out, by its name.
        n_fetched: Videos that were read from the source.
        n_reused: Videos that the store had already.
    """

    located: dict[str, Located] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    n_fetched: int = 0
    n_reused: int = 0


class Source(Protocol):
    """Where labelled videos come from."""

    @property
    def labels(self) -> Collection[str]:
        """All classes that it has."""

    @property
    def n_ignored(self) -> int:
        """Entries that are no videos, or whose names say nothing."""

    @property
    def recordings_known(self) -> bool:
        """Whether groups are recordings; otherwise only equal files are known to belong together."""

    def candidates(self, labels: Collection[str]) -> list[Candidate]:
        """List the videos of these classes, sorted by name."""

    def fetch(self, names: Sequence[str]) -> Fetched:
        """Make the bytes of these candidates readable and say where they are."""

    def close(self) -> None:
        """Let go of what it holds open."""
