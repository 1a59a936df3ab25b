"""What a source offers, and what fetching from it gives."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from components.contract.videos import Split

if TYPE_CHECKING:  # the store knows what is fetched, which stands here
    from components.ingest_videos.store import VideoStore


@dataclass(frozen=True)
class Listed:
    """A video as a source lists it.

    Attributes:
        name: Unique within the source; a name to show and to parse, never used as a path.
        label: Class name.
        folder: Folders between the class and the file, e.g. `session3`; empty where there are none.
        group: Its group where the source says one, as a column of a list does; it holds across classes.
        split: Its split where the source says one.
        source: Where it was recorded or listed, a name to slice results by; may be empty.
    """

    name: str
    label: str
    folder: str = ""
    group: str = ""
    split: Split | None = None
    source: str = ""


@dataclass(frozen=True)
class Candidate:
    """A listed video whose group is known.

    Attributes:
        name: Unique within the source.
        label: Class name.
        group: Qualified by the class, e.g. `SitDown/g03`, or the value of a column, which holds across classes.
        split: Its split where the source or the official lists say one.
        source: Where it was recorded or listed; may be empty.
    """

    name: str
    label: str
    group: str
    split: Split | None = None
    source: str = ""


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


@dataclass(frozen=True)
class Reading:
    """How a source's videos are read.

    Attributes:
        store: Where fetched videos go.
        workers: How many are read at a time.
        authorization: What the header `Authorization` says where the source is asked over http(s); "" for none.
    """

    store: "VideoStore"
    workers: int
    authorization: str = ""


class Source(Protocol):
    """Where labelled videos come from."""

    @property
    def labels(self) -> Collection[str]:
        """All classes that it has."""

    @property
    def n_ignored(self) -> int:
        """Entries that are no videos, or whose names say nothing."""

    @property
    def n_missing(self) -> int:
        """Videos that a list names and that are not there."""

    @property
    def refused(self) -> Mapping[str, str]:
        """Why a row of a list was refused, by what names it."""

    def listed(self, labels: Collection[str]) -> list[Listed]:
        """List the videos of these classes, sorted by name."""

    def contents(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return by name a text that is equal for equal bytes; one that cannot be read is missing."""

    def fetch(self, names: Sequence[str]) -> Fetched:
        """Make the bytes of these videos readable and say where they are."""

    def close(self) -> None:
        """Let go of what it holds open."""
