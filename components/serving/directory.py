"""The serving directory: versions for a server, and beside it what is known of them.

    models/actions/<version>/            a SavedModel; nothing else lies here, since TF Serving loads any number
    models/actions.accepted/<version>/   the accepted record of that version, finished
    models/actions.accepted/history/     one file each time another version came to be served, never changed
    models/actions.accepted/models.config   names the served version; a server that follows it never sees half a model
    models/actions.accepted/claims/      one file for each number that was ever taken

A version is complete when its record is finished: the record comes after the last file of the model.
"""

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from components.contract.accepted import Accepted, read_accepted
from components.contract.buckets import is_bucket_uri
from components.contract.errors import StepError
from components.contract.finished import MARKER_NAME
from components.serving.place import Folder, place_at
from components.serving.server_files import tf_serving_config

CLAIMS = "claims"
HISTORY = "history"
CONFIG_NAME = "models.config"


@dataclass(frozen=True)
class Served:
    """That a version came to be served.

    Attributes:
        version: Which.
        at: When, UTC, ISO 8601.
        by: A push, or a rollback to an earlier version.
        why: A sentence.
    """

    version: int
    at: str
    by: Literal["push", "rollback"]
    why: str


class ServingDirectory:
    """Versions, their records, and which of them is served.

    Args:
        uri: A folder of this machine, or gs://bucket/name.

    Raises:
        StepError: If it can be neither.
    """

    def __init__(self, uri: str) -> None:
        if "://" in uri and not is_bucket_uri(uri):
            raise StepError(f"The serving directory {uri!r} is neither a folder nor gs://.", remedy="Give one of both.")
        if uri.rstrip("/").count("/") < 3 if is_bucket_uri(uri) else not Path(uri).name:
            raise StepError(
                f"The serving directory {uri!r} has no name of its own.",
                remedy="Give one with a name, e.g. models/actions: its records go beside it.",
            )
        self.uri = uri.rstrip("/")
        self.models = place_at(self.uri)
        self.records = place_at(f"{self.uri}.accepted")

    def complete_versions(self) -> list[int]:
        """Return the versions that have a model and a finished record, in order."""
        with_record = numbers(self.records.children())
        return [version for version in with_record if self._is_complete(version)]

    def next_version(self) -> int:
        """Return a number above all that were ever claimed, published or recorded."""
        taken = (self.models.children(), self.records.children(), self.records.children(CLAIMS))
        return 1 + max([0, *(version for names in taken for version in numbers(names))])

    def record(self, version: int) -> Accepted:
        """Return the verified record of a version.

        Raises:
            StepError: If it is unfinished or damaged.
        """
        with self._record_folder(version) as folder:
            return read_accepted(folder)

    def history(self) -> list[Served]:
        """Return what was served one after the other, the newest last."""
        return [self._entry(name) for name in self.records.children(HISTORY) if _is_entry(name)]

    def served(self, *, warn: Callable[[str], None]) -> Accepted | None:
        """Return the record of the version that is served, or None where there is none.

        Args:
            warn: Is told of every damaged record that is passed over.
        """
        complete = self.complete_versions()
        history = self.history()
        newest = [history[-1].version] if history else []
        for version in [*(number for number in newest if number in complete), *reversed(complete)]:
            if history and version > newest[0]:
                continue  # above the newest entry stand only pushes that have not ended, and versions rolled back from
            try:
                return self.record(version)
            except StepError as error:
                warn(f"The record of version {version} is passed over: {error}")
        return None

    def withdrawn(self) -> dict[int, str]:
        """Return the versions that a rollback took out of service, with the reason."""
        history = self.history()
        taken: dict[int, str] = {}
        for before, after in itertools.pairwise(history):
            taken.pop(after.version, None)
            if after.by == "rollback" and after.version < before.version:
                taken[before.version] = after.why
        return taken

    def serve(self, version: int, *, by: Literal["push", "rollback"], why: str) -> None:
        """Write down that a version is served from now on, then tell servers by their config.

        A push never takes a newer version out of service: of two at once the higher number stays.
        """
        while True:
            history = self.history()
            if by == "push" and any(entry.version >= version for entry in history):
                break
            entry = Served(version, datetime.now(UTC).isoformat(timespec="milliseconds"), by, why)
            data = json.dumps(asdict(entry), indent=2, sort_keys=True).encode() + b"\n"
            if self.records.create(f"{HISTORY}/{len(history) + 1:06d}.json", data):
                break
        self.records.change(CONFIG_NAME, self._config)

    def finish_interrupted(self) -> None:
        """Serve what a push published whole without coming to say so, and mend the config that it left behind."""
        history = self.history()
        newest = max((entry.version for entry in history), default=0)
        for version in self.complete_versions():
            if version > newest:
                self.serve(version, by="push", why="An interrupted push was finished.")
                print(f"The push of version {version} was interrupted after it was published; it is served now.")
        if history and self.records.read(CONFIG_NAME) != tf_serving_config(
            self.uri, version=self.history()[-1].version
        ):
            self.serve(history[-1].version, by="push", why="")

    def roll_back(self, version: int | None, *, why: str) -> int:
        """Serve an earlier version again and return its number.

        Args:
            version: Which; None for the one that was served before.
            why: A sentence, kept in the history.

        Raises:
            StepError: If there is no such complete version, or if it is served already.
        """
        complete, history = self.complete_versions(), self.history()
        current = history[-1].version if history else None
        remedy = f"Give one of {', '.join(map(str, complete)) or 'none: nothing was pushed yet'}."
        if version is None:
            withdrawn = self.withdrawn()
            earlier = [number for number in complete if current and number < current and number not in withdrawn]
            if not earlier:
                raise StepError(f"{self.uri} has no version before the served one.", remedy=remedy)
            version = earlier[-1]
        if version not in complete:
            raise StepError(f"{self.uri} has no complete version {version}.", remedy=remedy)
        if version == current:
            raise StepError(f"Version {version} is served already.", remedy=remedy)
        self.serve(version, by="rollback", why=why)
        return version

    def _is_complete(self, version: int) -> bool:
        marker = self.records.read(f"{version}/{MARKER_NAME}")
        return marker is not None and "saved_model.pb" in self.models.children(str(version))

    def _config(self) -> bytes:
        return tf_serving_config(self.uri, version=self.history()[-1].version)

    def _entry(self, name: str) -> Served:
        try:
            return Served(**json.loads(self.records.read(f"{HISTORY}/{name}") or b""))
        except (ValueError, TypeError) as error:
            raise StepError(
                f"{self.records.uri}/{HISTORY}/{name} cannot be read ({error}).",
                remedy="Restore it, or remove it if it is the newest: then the version before it is served.",
            ) from error

    @contextmanager
    def _record_folder(self, version: int) -> Iterator[Path]:
        if isinstance(self.records, Folder):
            yield self.records.path / str(version)
            return
        with tempfile.TemporaryDirectory() as temporary:
            self.records.fetch(str(version), Path(temporary) / "record")
            yield Path(temporary) / "record"


def numbers(names: list[str]) -> list[int]:
    """Return the whole numbers among some names, in order."""
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def _is_entry(name: str) -> bool:
    stem, _, suffix = name.partition(".")
    return suffix == "json" and stem.isascii() and stem.isdecimal()
