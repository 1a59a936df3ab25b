"""A folder or a bucket's folder, with the few operations that publishing needs of both."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from components.contract import buckets
from components.contract.files import write_bytes


class Place(Protocol):
    """Where files lie, by names relative to it."""

    uri: str

    def children(self, folder: str = "") -> list[str]:
        """Return the names right below a folder, sorted; none where it is not there."""

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or None where it is not there."""

    def create(self, name: str, data: bytes) -> bool:
        """Create a file, whole or not at all; give False where one of that name is there already."""

    def change(self, name: str, make: Callable[[], bytes]) -> None:
        """Write a file anew from what `make` says; of two changes at once the later one sees the earlier."""

    def fetch(self, folder: str, target: Path) -> None:
        """Copy a folder with all below it into `target`, which must not be there."""


class Folder:
    """A place on a file system."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.uri = str(path)

    def children(self, folder: str = "") -> list[str]:
        """Return the names right below a folder, sorted; none where it is not there."""
        path = self.path / folder
        return sorted(child.name for child in path.iterdir()) if path.is_dir() else []

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or None where it is not there."""
        path = self.path / name
        return path.read_bytes() if path.is_file() else None

    def create(self, name: str, data: bytes) -> bool:
        """Create a file, whole or not at all; give False where one of that name is there already."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=path.parent) as temporary:
            whole = Path(temporary) / "file"
            write_bytes(whole, data)
            try:
                os.link(whole, path)
            except FileExistsError:
                return False
        return True

    def change(self, name: str, make: Callable[[], bytes]) -> None:
        """Write a file anew from what `make` says; of two changes at once the later one sees the earlier."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            write_bytes(self.path / name, make())

    def fetch(self, folder: str, target: Path) -> None:
        """Copy a folder with all below it into `target`, which must not be there."""
        shutil.copytree(self.path / folder, target)


class BucketFolder:
    """A place in Google Cloud Storage."""

    def __init__(self, uri: str) -> None:
        buckets.split_uri(uri)
        self.uri = uri.rstrip("/")

    def children(self, folder: str = "") -> list[str]:
        """Return the names right below a folder, sorted; none where it is not there."""
        below = f"{self.uri}/{folder}".rstrip("/")
        return sorted({file.uri.removeprefix(f"{below}/").split("/")[0] for file in buckets.list_files(below)})

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or None where it is not there."""
        uri = f"{self.uri}/{name}"
        return buckets.read_bytes(uri) if buckets.find_file(uri) else None

    def create(self, name: str, data: bytes) -> bool:
        """Create a file, whole or not at all; give False where one of that name is there already."""
        try:
            buckets.write_bytes(f"{self.uri}/{name}", data)
        except buckets.AlreadyThereError:
            return False
        return True

    def change(self, name: str, make: Callable[[], bytes]) -> None:
        """Write a file anew from what `make` says; of two changes at once the later one sees the earlier."""
        uri = f"{self.uri}/{name}"
        while True:
            found = buckets.find_file(uri)
            try:
                buckets.write_bytes(uri, make(), replaces=found.generation if found else 0)
                return
            except buckets.AlreadyThereError:
                continue  # another change came between: `make` looks again

    def fetch(self, folder: str, target: Path) -> None:
        """Copy a folder with all below it into `target`, which must not be there."""
        target.mkdir(parents=True)
        buckets.fetch_folder(f"{self.uri}/{folder}", target)


def place_at(uri: str) -> Folder | BucketFolder:
    """Return the place that a path or a gs:// address names."""
    return BucketFolder(uri) if buckets.is_bucket_uri(uri) else Folder(Path(uri))
