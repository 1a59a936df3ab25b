"""Clips that were extracted before, known by the video's bytes, the parameters and the code: nothing is decoded twice.

<store_dir>/clips/<key[:2]>/<key>   SHA-256 of the rest, the packed clips
"""

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from components.contract import buckets
from components.contract.errors import StepError
from components.contract.files import sha256_of_json, write_bytes
from components.contract.progress import say
from components.extract_frames.clip import Clip, Extraction, packed, unpacked
from components.extract_frames.disk import disk_faults_named
from components.video.preparation import as_stored

_CHECKSUM_BYTES = hashlib.sha256().digest_size
MOST_BYTES = 50 << 30


@dataclass(frozen=True)
class ClipStore:
    """Extracted clips that outlive a run; several runs may use one store at the same time.

    Attributes:
        root: A local folder, or gs://.
        recipe: Digest of the parameters and the code that make the clips.
    """

    root: str
    recipe: str

    def find(self, video_digest: str) -> list[Clip] | None:
        """Return a video's clips, or None where they are not there or are damaged."""
        place = self._place(video_digest)
        data = _read(place)
        if data is None:
            return None
        checksum, content = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
        if hashlib.sha256(content).digest() == checksum:
            try:
                return unpacked(content)
            except ValueError:
                pass
        say(f"{place} is damaged; its video is decoded again")
        return None

    def keep(self, video_digest: str, clips: list[Clip]) -> None:
        """Keep a video's clips, all or nothing.

        Raises:
            StepError: If the store cannot be written.
        """
        place, content = self._place(video_digest), packed(clips)
        data = hashlib.sha256(content).digest() + content
        if buckets.is_bucket_uri(place):
            known = buckets.find_file(place)
            try:
                buckets.write_bytes(place, data, replaces=known.generation if known else 0)
            except buckets.AlreadyThereError:
                return  # another run kept the same clips
        else:
            with disk_faults_named(Path(self.root)):
                write_bytes(Path(place), data)

    def _place(self, video_digest: str) -> str:
        key = sha256_of_json({"video": video_digest, "recipe": self.recipe})
        return f"{self.root}/{key[:2]}/{key}"


def clip_store(store_dir: str, *, extraction: Extraction, code_digest: str) -> ClipStore | None:
    """Return the store below a folder for one way to make clips, or None where no folder is given.

    Raises:
        StepError: If it is neither a local folder nor gs://.
    """
    if not store_dir:
        return None
    recipe = {
        "geometry": asdict(extraction.geometry),
        "preparation": as_stored(extraction.preparation),
        "jpeg_quality": extraction.jpeg_quality,
        "code": code_digest,
    }
    if buckets.is_bucket_uri(store_dir):
        return ClipStore(f"{store_dir.rstrip('/')}/clips", sha256_of_json(recipe))
    if "://" in store_dir:
        raise StepError(f"The store {store_dir} is neither a folder nor gs://.", remedy="Give one of the two.")
    return ClipStore(str(Path(store_dir).absolute() / "clips"), sha256_of_json(recipe))


def trim(store: ClipStore, *, most_bytes: int = MOST_BYTES) -> int:
    """Remove what was used longest ago until a local store takes at most `most_bytes`; return how many entries went.

    A bucket's store is bounded by the bucket's own lifecycle rules.
    """
    if buckets.is_bucket_uri(store.root):
        return 0
    entries = []
    for path in sorted(Path(store.root).glob("??/*")):
        try:
            status = path.stat()
        except FileNotFoundError:  # another run trims, too
            continue
        entries.append((status.st_mtime_ns, status.st_size, path))
    excess, n_removed = sum(size for _, size, _ in entries) - most_bytes, 0
    for _, size, path in sorted(entries):
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess, n_removed = excess - size, n_removed + 1
    return n_removed


def _read(place: str) -> bytes | None:
    if buckets.is_bucket_uri(place):
        return buckets.read_bytes(place) if buckets.find_file(place) else None
    try:
        data = Path(place).read_bytes()
        os.utime(place)  # used now: trimming takes the others first
    except FileNotFoundError:
        return None
    except OSError as error:
        say(f"{place} cannot be read ({error.strerror}); its video is decoded again")
        return None
    return data
