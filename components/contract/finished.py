"""The finished marker: one JSON file, written last, that says what a folder holds and that it is whole."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.contract.errors import StepError
from components.contract.files import sha256_of_file, sha256_of_json, write_json

MARKER_NAME = "finished.json"
SCHEMA_VERSION = 1
_RERUN = "Run the step that writes it again."


@dataclass(frozen=True)
class Finished:
    """What a finished folder holds.

    Attributes:
        kind: What the folder is, e.g. `clips`; a reader refuses another kind.
        properties: What readers need to know without opening the files (labels, geometry, counts); JSON values.
        files: Checksum and size of every file, by its path relative to the folder.
        digest: Content digest of the whole. The same content has the same digest wherever it lies.
    """

    kind: str
    properties: dict[str, Any]
    files: dict[str, dict[str, Any]]
    digest: str


def finish(
    folder: Path, *, kind: str, properties: Mapping[str, Any], content: Mapping[str, str | None] | None = None
) -> Finished:
    """Mark `folder` as finished and return what was marked.

    Args:
        folder: Holds the files; every file in it is listed with its checksum.
        kind: What the folder is.
        properties: JSON values that readers need; part of the digest.
        content: For files whose bytes differ between equal results (a date inside, say): what stands for
            them in the digest in place of their checksum, or None to leave them out of it.
    """
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    names = [name for name in names if name != MARKER_NAME]
    files = {name: {"sha256": sha256_of_file(folder / name), "bytes": (folder / name).stat().st_size} for name in names}
    stands_for = {name: entry["sha256"] for name, entry in files.items()} | dict(content or {})
    digest = sha256_of_json(
        {
            "schema_version": SCHEMA_VERSION,
            "kind": kind,
            "properties": dict(properties),
            "content": {name: value for name, value in stands_for.items() if value is not None},
        }
    )
    marked = Finished(kind=kind, properties=dict(properties), files=files, digest=digest)
    write_json(
        folder / MARKER_NAME,
        {
            "schema_version": SCHEMA_VERSION,
            "kind": kind,
            "properties": marked.properties,
            "files": files,
            "digest": digest,
        },
    )
    return marked


def read_finished(folder: Path, *, kind: str, digest: str | None = None, checksums: bool = True) -> Finished:
    """Read and verify the marker of a folder that another step finished.

    Args:
        folder: The folder.
        kind: The kind that the reader understands.
        digest: The digest that was promised, if one was; "" counts as none.
        checksums: Whether to read every file and compare its checksum; sizes are always compared.

    Raises:
        StepError: If the folder is unfinished, of another kind or version, not what was promised, or damaged.
    """
    marker = folder / MARKER_NAME
    try:
        stored = json.loads(marker.read_text())
        version = stored["schema_version"]
        found = Finished(
            kind=stored["kind"], properties=stored["properties"], files=stored["files"], digest=stored["digest"]
        )
    except FileNotFoundError:
        raise StepError(f"{folder} is not finished: it has no {MARKER_NAME}.", remedy=_RERUN) from None
    except (ValueError, KeyError, TypeError) as error:
        raise StepError(f"{marker} cannot be read ({error}).", remedy=_RERUN) from error
    if version != SCHEMA_VERSION or found.kind != kind:
        raise StepError(
            f"{folder} holds {found.kind!r}, version {version}; expected {kind!r}, version {SCHEMA_VERSION}.",
            remedy="Give the folder that the right step wrote, with this version of Reelflow.",
        )
    if digest and found.digest != digest:
        raise StepError(
            f"{folder} has the digest {found.digest[:12]}, not the promised {digest[:12]}.",
            remedy="The folder changed after it was finished, or it belongs to another run.",
        )
    for name, entry in found.files.items():
        path = folder / name
        if not path.is_file():
            raise StepError(f"{folder} lacks {name}, which {MARKER_NAME} lists.", remedy=_RERUN)
        if path.stat().st_size != entry["bytes"] or (checksums and sha256_of_file(path) != entry["sha256"]):
            raise StepError(f"{path} is not what {MARKER_NAME} says: it was cut or changed.", remedy=_RERUN)
    return found
