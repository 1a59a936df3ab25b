import numpy as np
import pytest

from components.train_model.changes import changed, mixed

# Margins of a shift: a sixteenth of height and width, that is 2 and 4.
HEIGHT, WIDTH = 32, 64
N_CLIPS, N_FRAMES = 24, 3


@pytest.fixture
def clips():
    """Each clip another noise, the same in all its frames."""
    pictures = np.random.default_rng(0).integers(0, 256, (N_CLIPS, 1, HEIGHT, WIDTH, 3), np.uint8)
    return np.tile(pictures, (1, N_FRAMES, 1, 1, 1))


def windows(picture: np.ndarray) -> list[np.ndarray]:
    """Every picture that a shift can make of one."""
    padded = np.pad(picture, [(2, 2), (4, 4), (0, 0)], mode="reflect")
    return [padded[top : top + HEIGHT, left : left + WIDTH] for top in range(5) for left in range(9)]


def place(picture: np.ndarray, among: list[np.ndarray]) -> int:
    (found,) = [number for number, other in enumerate(among) if np.array_equal(picture, other)]
    return found


def test_all_frames_of_a_clip_change_alike_and_clips_unlike(clips):
    after = changed(clips, (1, 0), horizontal_flip=True, colour_jitter=0.5).numpy()

    assert (after.shape, after.dtype) == (clips.shape, np.uint8)
    np.testing.assert_array_equal(after, np.repeat(after[:, :1], N_FRAMES, axis=1))
    same_clips = np.repeat(clips[:1], N_CLIPS, axis=0)
    of_one = changed(same_clips, (1, 0), horizontal_flip=True, colour_jitter=0.5).numpy()
    assert len(np.unique(of_one, axis=0)) == N_CLIPS


def test_without_flip_and_jitter_clips_are_shifted_and_nothing_else(clips):
    after = changed(clips, (1, 0), horizontal_flip=False, colour_jitter=0.0).numpy()

    places = [place(ours[0], windows(before[0])) for before, ours in zip(clips, after, strict=True)]
    assert len(set(places)) > N_CLIPS // 2


def test_a_flip_mirrors_some_clips_from_left_to_right(clips):
    straight, mirrored = windows(clips[0, 0]), windows(clips[0, 0, :, ::-1])
    same_clips = np.repeat(clips[:1], N_CLIPS, axis=0)

    after = changed(same_clips, (1, 0), horizontal_flip=True, colour_jitter=0.0).numpy()

    is_mirrored = [place(ours[0], straight + mirrored) >= len(straight) for ours in after]
    assert N_CLIPS // 4 < sum(is_mirrored) < 3 * N_CLIPS // 4


def test_jitter_stays_within_uint8_and_keeps_bright_above_dark():
    brightness = np.linspace(0, 255, 16).astype(np.uint8)
    clips = np.broadcast_to(brightness[None, :, None, None, None], (N_CLIPS, 16, HEIGHT, WIDTH, 3))

    after = changed(clips, (1, 0), horizontal_flip=True, colour_jitter=0.9).numpy()

    assert after.dtype == np.uint8
    assert (np.diff(after.astype(int), axis=1) >= 0).all()
    assert (after.min(), after.max()) == (0, 255)


def test_jitter_puts_the_channels_into_every_order():
    clips = np.broadcast_to(np.uint8([40, 120, 200]), (64, 1, 16, 24, 3))

    after = changed(clips, (1, 0), horizontal_flip=False, colour_jitter=0.01).numpy()

    orders = {tuple(np.argsort(clip[0, 0, 0])) for clip in after}
    assert len(orders) == 6
    np.testing.assert_allclose(np.sort(after[:, 0, 0, 0]), np.tile([40, 120, 200], (64, 1)), atol=4)


def test_changes_follow_from_the_seed_and_the_number_of_the_batch(clips):
    def after(*seed: int) -> np.ndarray:
        return changed(clips, seed, horizontal_flip=True, colour_jitter=0.5).numpy()

    first, again, other_seed, other_batch = after(1, 0), after(1, 0), after(2, 0), after(1, 1)

    np.testing.assert_array_equal(first, again)
    assert (first != other_seed).any()
    assert (first != other_batch).any()


def test_clips_of_labels_that_may_not_flip_are_never_mirrored():
    frames = np.zeros((64, 2, 16, 32, 3), np.uint8)
    frames[:, :, :, :8] = 255
    may_flip = np.arange(64) % 2 == 0

    found = changed(frames, (1, 0), horizontal_flip=True, colour_jitter=0.0, may_flip=may_flip).numpy()

    mirrored = found[..., -4:, :].mean(axis=(1, 2, 3, 4)) > 128
    assert not mirrored[~may_flip].any()
    assert 8 < mirrored[may_flip].sum() < 24


def test_a_crop_enlarges_at_least_the_given_share_of_a_clip_all_its_frames_alike():
    columns = np.broadcast_to(np.linspace(0, 255, 40)[None, None, None, :, None], (32, 3, 24, 40, 3)).astype(np.uint8)

    found = changed(columns, (1, 0), horizontal_flip=False, colour_jitter=0.0, crop_scale=0.25).numpy()

    widths = (found[:, 0, 0, -1, 0].astype(int) - found[:, 0, 0, 0, 0]) / 255
    assert found.shape == columns.shape
    assert widths.min() >= 0.5 - 0.02
    assert widths.max() <= 1
    assert np.ptp(widths) > 0.2
    assert (found == found[:, :1]).all()


def test_mixup_mixes_pixels_and_labels_by_the_same_share():
    frames = np.zeros((8, 2, 6, 10, 3), np.uint8)
    frames[::2] = 200
    labels = np.eye(2, dtype=np.float32)[np.arange(8) % 2]

    pixels, shares = mixed(frames, labels, (1, 0), concentration=1.0)

    np.testing.assert_allclose(pixels[:, 0, 0, 0, 0] / 200, shares[:, 0], atol=0.01)
    np.testing.assert_allclose(np.sum(shares, axis=1), 1, atol=1e-6)
    assert np.ptp(shares[:, 0]) > 0.2
