"""Which hashes are within a few bits of each other, found without comparing all pairs.

Multi-index hashing (Norouzi et al. 2012, arXiv:1307.2982): cut the bits into one band more than may differ; two hashes
within that distance agree in at least one whole band, so only hashes that share a band are compared.

A band takes bits of all four frames: where many clips begin with a black frame, the other three still tell them apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_WORDS = 4  # a clip has four frame hashes of 64 bits
_WORD_BITS = 64
_LARGEST_BUCKET = 64  # above it, cutting the bucket anew by the bits that differ in it is cheaper
_MOST_PAIRS = 1_000_000  # thousands of clips of one still scene are alike pair by pair; nobody reads that many
_DEEPEST = 3
_SAMPLE, _CROWDED = 64, 0.05
# 2**64 over the golden ratio spreads a band's bits (Knuth, TAOCP 3, 6.4); its odd powers, each word's in another way.
_MIXERS = np.array([pow(0x9E3779B97F4A7C15, power, 2**64) for power in (1, 3, 5, 7)], np.uint64)

Words = NDArray[np.uint64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class NearHashes:
    """What the search found.

    Attributes:
        distinct: The different hashes, uint64, shape (n_distinct, 4).
        place_of: Place of each given hash in `distinct`, shape (n,).
        pairs: Places in `distinct` that are within the distance, first < second, sorted, shape (n_pairs, 2).
        is_complete: False where the search stopped at a million pairs.
    """

    distinct: Words
    place_of: Places
    pairs: Places
    is_complete: bool


def near_hashes(hashes: Words, *, distance: int) -> NearHashes:
    """Find all different hashes that differ in at most `distance` bits.

    Args:
        hashes: uint64, shape (n, 4).
        distance: In bits, 0 to 255.
    """
    distinct, place_of = _distinct(hashes)
    codes: list[Places] = []
    n_found = 0
    for code in _near_codes(distinct, np.arange(len(distinct)), distance):
        codes.append(code)
        n_found += len(code)
        if n_found > _MOST_PAIRS:
            codes = [np.unique(np.concatenate(codes))]  # one pair is found once in each band that it shares
            n_found = len(codes[0])
        if n_found > _MOST_PAIRS:
            break
    found = np.unique(np.concatenate(codes))[:_MOST_PAIRS] if codes else np.empty(0, np.int64)
    pairs = np.stack(np.divmod(found, max(1, len(distinct))), axis=1)
    return NearHashes(distinct=distinct, place_of=place_of, pairs=pairs, is_complete=n_found <= _MOST_PAIRS)


def distances(first: Words, second: Words) -> NDArray[np.int64]:
    """Return in how many bits hashes differ, one by one; shapes (n, 4) give (n,)."""
    found: NDArray[np.int64] = np.bitwise_count(first ^ second).sum(axis=1, dtype=np.int64)
    return found


def _distinct(hashes: Words) -> tuple[Words, Places]:
    if not len(hashes):
        return hashes, np.empty(0, np.int64)
    order, ends = _buckets(_keys(hashes.T, np.full(N_WORDS, ~np.uint64(0))))
    ordered = hashes[order]
    is_new = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    if is_new.sum() > 1 + np.count_nonzero(ends[1:] != ends[:-1]):  # two hashes share a key, and may lie in turns
        order = np.lexsort(tuple(hashes.T))
        ordered = hashes[order]
        is_new = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    place_of = np.empty(len(hashes), np.int64)
    place_of[order] = np.cumsum(is_new) - 1
    return ordered[is_new], place_of


def _near_codes(words: Words, places: Places, distance: int, depth: int = 0) -> Iterator[Places]:
    """Give pairs among some places as first * n + second; a pair may come several times."""
    among = np.ascontiguousarray(words[places].T)
    for masks in _bands(among, distance):
        order, ends = _buckets(_keys(among, masks))
        sizes = ends - np.arange(len(ends))  # of the rest of the bucket from here on
        starts = np.flatnonzero(np.concatenate([[True], ends[1:] != ends[:-1]]))
        in_large = np.zeros(len(order), bool)
        for start in starts[sizes[starts] > _LARGEST_BUCKET]:
            in_large[start : ends[start]] = True
            bucket = places[order[start : ends[start]]]
            if depth == _DEEPEST or _is_crowded(words, bucket, distance):
                yield from _compared(words, bucket, distance)
            else:
                yield from _near_codes(words, bucket, distance, depth + 1)
        left = np.flatnonzero(~in_large)
        for step in range(1, _LARGEST_BUCKET):
            left = left[sizes[left] > step]
            if not left.size:
                break
            yield _close_codes(words, places[order[left]], places[order[left + step]], distance)


def _is_crowded(words: Words, places: Places, distance: int) -> bool:
    """Say whether so many of a bucket are near each other that no cut can part them: the answer itself is long."""
    sample = places[:: max(1, len(places) // _SAMPLE)]
    close = sum(len(codes) for codes in _compared(words, sample, distance))
    return close > _CROWDED * len(sample) ** 2 / 2


def _compared(words: Words, places: Places, distance: int) -> Iterator[Places]:
    for row in range(len(places) - 1):
        yield _close_codes(words, np.broadcast_to(places[row], len(places) - row - 1), places[row + 1 :], distance)


def _close_codes(words: Words, first: Places, second: Places, distance: int) -> Places:
    is_close = distances(words[first], words[second]) <= distance
    first, second = first[is_close], second[is_close]
    return np.minimum(first, second) * len(words) + np.maximum(first, second)


def _keys(columns: Words, masks: Words) -> Words:
    """Mix the bits of a band into one number per hash; different bits seldom give the same."""
    keys: Words = (columns[0] & masks[0]) * _MIXERS[0]
    for column, mask, mixer in zip(columns[1:], masks[1:], _MIXERS[1:], strict=True):
        keys += (column & mask) * mixer
    return keys


def _buckets(keys: Words) -> tuple[Places, Places]:
    """Return an order that puts equal keys side by side, and for each place in it where its bucket ends.

    Key and place share one number, so that one sort of plain numbers does: of a key its upper bits, which are the
    mixed ones, and the few that collide there only cost a comparison.
    """
    place_bits = np.uint64(max(1, int(len(keys) - 1).bit_length()))
    together = np.sort(keys >> place_bits << place_bits | np.arange(len(keys), dtype=np.uint64))
    order = (together & ((np.uint64(1) << place_bits) - np.uint64(1))).astype(np.int64)
    upper = together >> place_bits
    borders = np.flatnonzero(upper[1:] != upper[:-1]) + 1
    edges = np.concatenate([[0], borders, [len(keys)]])
    return order, np.repeat(edges[1:], np.diff(edges))


def _bands(columns: Words, distance: int) -> Iterator[Words]:
    """Cut the bits that differ among these hashes into `distance` + 1 bands, as a mask for each word.

    Bits that are the same in all of them tell nothing apart, such as those of letterbox bars.
    """
    if columns.shape[1] < 2:
        return
    varying = np.bitwise_or.reduce(columns, axis=1) & ~np.bitwise_and.reduce(columns, axis=1)
    bits = [(word, bit) for word in range(N_WORDS) for bit in range(_WORD_BITS) if int(varying[word]) >> bit & 1]
    for band in range(distance + 1):
        # every n-th bit, since neighbours in a picture tend to agree
        chosen = bits[band :: distance + 1]
        yield np.array([sum(1 << bit for of, bit in chosen if of == word) for word in range(N_WORDS)], np.uint64)
