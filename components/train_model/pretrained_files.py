"""Fetching a pretrained model, and refusing what is not the promised one or could run code of its own."""

import hashlib
import json
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from components.contract.buckets import fetch_file, fetch_folder, find_file, is_bucket_uri
from components.contract.errors import StepError
from components.contract.files import emptied, replacing, sha256_of_file

GRAPH_NAME = "saved_model.pb"
_MOST_BYTES = 8 << 30
_MOST_MEMBERS = 10_000
_MOST_CONFIG_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 60.0
_KERAS_MEMBERS = re.compile(r"(metadata\.json|config\.json|model\.weights\.h5|assets/.*)")
# Layers of Keras that run code or load files that the model's file names.
_UNSAFE_CLASSES = {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}


def fetched_model(uri: str, folder: Path, *, sha256: str) -> Path:
    """Bring a pretrained model into `folder`; return its .keras file or the folder of its SavedModel.

    Args:
        uri: A .keras file, a SavedModel's folder or a zip of one: a path, gs://, http:// or https://.
        folder: Is emptied.
        sha256: Of the file's bytes, or of a folder's `folder_sha256`.

    Raises:
        StepError: If it cannot be read, is not the promised one, or is no such model.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise StepError(
            f"pretrained_sha256 is {sha256!r}, no SHA-256.",
            remedy="Give 64 hexadecimal digits: sha256sum of the file; of a folder, (cd FOLDER; find . -type f "
            "| cut -c3- | LC_ALL=C sort | xargs sha256sum | sha256sum).",
        )
    # The digest is compared on our own copy: nobody changes it between the check and the use.
    copied = _copied(uri, emptied(folder))
    found = folder_sha256(copied) if copied.is_dir() else sha256_of_file(copied)
    if found != sha256:
        raise StepError(
            f"{_shown(uri)} has the SHA-256 {found}, not the promised {sha256}.",
            remedy="Give the digest that its publisher states; if it is this one, the file was changed on its way.",
        )
    if copied.suffix == ".zip":
        copied = _unpacked(copied, emptied(folder / "unpacked"))
    if copied.is_dir() and (copied / GRAPH_NAME).is_file():
        return copied
    if copied.suffix == ".keras" and copied.is_file():
        check_keras_file(copied)
        return copied
    raise StepError(
        f"{_shown(uri)} is no .keras file and no SavedModel.",
        remedy=f"Give a .keras file, or a folder or a zip with {GRAPH_NAME} in it; other formats can run code.",
    )


def folder_sha256(folder: Path) -> str:
    """Return the SHA-256 of the lines that `sha256sum` prints for a folder's files, sorted by relative path."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = "".join(f"{sha256_of_file(folder / name)}  {name}\n" for name in names)
    return hashlib.sha256(lines.encode()).hexdigest()


def check_keras_file(path: Path) -> None:
    """Refuse a .keras file that has parts or layers that Keras' safe mode leaves to trust.

    Raises:
        StepError: With what was found.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive.infolist())
            strange = [name for name in archive.namelist() if not _KERAS_MEMBERS.fullmatch(name)]
            if strange:
                raise _unsafe(path, f"holds {strange[0]!r}")
            if archive.getinfo("config.json").file_size > _MOST_CONFIG_BYTES:
                raise _unsafe(path, "has a config.json of more than 64 MiB")
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, OSError) as error:
        raise StepError(f"{path.name} is no .keras file ({error}).", remedy="Save it with model.save again.") from error
    for entry in _entries(config):
        name = entry["class_name"]
        module, registered = entry.get("module"), entry.get("registered_name")
        ours = isinstance(registered, str) and registered.startswith("reelflow>")
        of_keras = module is None or module == "builtins" or str(module).split(".")[0] == "keras"
        if name in _UNSAFE_CLASSES or not (of_keras or ours):
            raise _unsafe(path, f"has a {name!r} of {module!r}")


def _entries(value: Any) -> Iterator[dict[str, Any]]:
    """Yield everything in a config that names a class, however deep."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "class_name" in value:
                yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _unsafe(path: Path, what: str) -> StepError:
    return StepError(
        f"{path.name} {what}: it could run code of its own.",
        remedy="Give a model of Keras' own layers, saved as .keras.",
    )


def _copied(uri: str, folder: Path) -> Path:
    name = PurePosixPath(uri.split("?")[0].rstrip("/")).name
    if not name or name in (".", "..") or not uri.isprintable():
        raise StepError(f"{_shown(uri)!r} names no file.", remedy="Give a .keras file, a SavedModel or a zip of one.")
    target = folder / name
    if is_bucket_uri(uri):
        if find_file(uri) is not None:
            fetch_file(uri, target)
        elif not fetch_folder(uri, target):
            raise StepError(f"{uri} is not there.", remedy="Check the bucket's name and the path.")
    elif uri.startswith(("http://", "https://")):
        _download(uri, target)
    elif "://" in uri:
        raise StepError(
            f"{_shown(uri)} has no scheme that is known.", remedy="Give a path, gs://, http:// or https://."
        )
    elif Path(uri).is_dir():
        shutil.copytree(uri, target)
    elif Path(uri).is_file():
        shutil.copyfile(uri, target)
    else:
        raise StepError(f"There is no {uri}.", remedy="Check pretrained_model.")
    return target


def _download(url: str, path: Path) -> None:
    import requests

    try:
        with requests.get(url, stream=True, timeout=_TIMEOUT_S) as answer, replacing(path) as temporary:
            answer.raise_for_status()
            n_bytes = 0
            with temporary.open("wb") as file:
                for chunk in answer.iter_content(_CHUNK_BYTES):
                    n_bytes += len(chunk)
                    if n_bytes > _MOST_BYTES:
                        raise StepError(f"{_shown(url)} has more than 8 GiB.", remedy="Give a smaller model.")
                    file.write(chunk)
    except requests.RequestException as error:
        status = error.response.status_code if error.response is not None else type(error).__name__
        # `from None`: the text of the original error holds the whole address, signature and all.
        raise StepError(
            f"{_shown(url)} cannot be fetched ({status}).", remedy="Check the address and try again."
        ) from None


def _unpacked(archive_path: Path, folder: Path) -> Path:
    """Unpack a SavedModel's zip; return the folder in it that holds the graph."""
    try:
        with zipfile.ZipFile(archive_path) as archive:
            _check_members(archive.infolist())
            archive.extractall(folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        raise StepError(f"{archive_path.name} cannot be unpacked ({error}).", remedy="Zip it again.") from error
    graphs = sorted(folder.rglob(GRAPH_NAME))
    return graphs[0].parent if len(graphs) == 1 else folder


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > _MOST_MEMBERS or sum(member.file_size for member in members) > _MOST_BYTES:
        raise StepError("The archive unpacks to more than 8 GiB or 10,000 files.", remedy="Give a smaller model.")
    for member in members:
        path = PurePosixPath(member.filename)
        climbs = path.is_absolute() or ".." in path.parts or "\\" in member.filename
        if climbs or stat.S_ISLNK(member.external_attr >> 16):
            raise StepError(
                f"The archive has the member {member.filename!r}, which leads out of it.", remedy="Zip it again."
            )


def _shown(uri: str) -> str:
    """The address without its query and its user, where secrets stand."""
    return re.sub(r"//[^/@]*@", "//", uri.split("?")[0])
