"""Which version of a file a server gave, so that parts of two versions are never mixed."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FileVersion:
    """What a server says of the file that it answered from.

    Attributes:
        etag: The ETag header, or "".
        modified: The Last-Modified header, or "".
        n_bytes: Size of the whole file, or None where the answer does not tell.
    """

    etag: str
    modified: str
    n_bytes: int | None

    @property
    def validator(self) -> str:
        """What If-Range takes: a strong ETag, or the date, or "" for neither."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def may_be(self, other: "FileVersion") -> bool:
        """Say whether nothing that both tell differs."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified), (self.n_bytes, other.n_bytes))
        return all(mine in ("", None) or theirs in ("", None) or mine == theirs for mine, theirs in pairs)


def version_of(headers: Mapping[str, str], *, n_bytes: int | None) -> FileVersion:
    """Return the version that an answer's headers tell."""
    return FileVersion(etag=headers.get("ETag", ""), modified=headers.get("Last-Modified", ""), n_bytes=n_bytes)
