"""One demo video from its look and plan: poses, frames, sensor noise, and the file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.demo.actions import ANGLES, FloatArray
from pipelines.demo.figure import joints_of, parts_of
from pipelines.demo.looks import FPS, ClipPlan, GroupLook
from pipelines.demo.scene import HEIGHT, MARGIN, WIDTH, Image, draw_frames, draw_room

_NOISE_LEVELS = 2.0  # standard deviation of the sensor noise, of 255


def poses_of(look: GroupLook, plan: ClipPlan) -> FloatArray:
    """The figure's poses in the order they are shown, float64, shape (time, angle), columns as in ANGLES."""
    start, end = np.array(look.start_angles), np.array(look.end_angles)
    poses = start + (end - start) * plan.timing.progress()[:, None]
    amplitude, per_second, phase = plan.sway
    seconds = np.arange(plan.timing.n_frames) / FPS
    poses[:, ANGLES.index("torso_pitch")] += amplitude * np.sin(2 * np.pi * per_second * seconds + phase)
    return np.asarray(poses[::-1] if plan.is_backwards else poses)


def frames_of(look: GroupLook, plan: ClipPlan, *, room_image: Image | None = None) -> Iterator[Image]:
    """Draw one video without sensor noise.

    Args:
        look: What the group shares.
        plan: What this video has for itself.
        room_image: The look's empty room, where it is drawn already.

    Yields:
        Frames in the order they are shown: RGB, uint8, shape (240, 320, 3).
    """
    if room_image is None:
        room_image = draw_room(look.room, camera=look.camera, light=look.light)
    joints = joints_of(poses_of(look, plan), proportions=look.proportions, arm_uneven_deg=plan.arm_uneven_deg)
    turn = np.radians(plan.turn_deg)
    spin = np.array([[np.cos(turn), -np.sin(turn), 0.0], [np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]])
    shake = _shake_px(plan)
    return draw_frames(
        joints @ spin + np.array([*plan.place_m, 0.0]),
        parts=parts_of(look.proportions),
        colours=np.array(look.colours),
        room_image=room_image,
        camera=look.camera,
        light=look.light,
        shake_px=shake[::-1] if plan.is_backwards else shake,
    )


def _shake_px(plan: ClipPlan) -> FloatArray:
    seconds = np.arange(plan.timing.n_frames) / FPS
    swings = [
        amplitude * np.sin(2 * np.pi * per_second * seconds + phase) for amplitude, per_second, phase in plan.shakes
    ]
    return np.clip(np.stack([swings[0] + swings[1], swings[2] + swings[3]], axis=-1), -MARGIN + 2, MARGIN - 2)


def noisy(frames: Iterator[Image], *, seed: int) -> Iterator[Image]:
    """Sensor noise, drawn anew for every frame: places in two made tiles, one that brightens and one that darkens."""
    import cv2

    rng = np.random.default_rng(seed)
    room = 64
    noise = np.round(
        rng.normal(0.0, _NOISE_LEVELS, (HEIGHT + room, WIDTH + room, 1))
        + rng.normal(0.0, 0.5 * _NOISE_LEVELS, (HEIGHT + room, WIDTH + room, 3))
    )
    brighter, darker = np.maximum(noise, 0).astype(np.uint8), np.maximum(-noise, 0).astype(np.uint8)
    for frame in frames:
        top, left = rng.integers(room, size=2)
        window = (slice(top, top + HEIGHT), slice(left, left + WIDTH))
        yield np.asarray(cv2.subtract(cv2.add(frame, brighter[window]), darker[window]), dtype=np.uint8)


def write_video(path: Path, frames: Iterator[Image]) -> None:
    """Write frames (RGB, uint8, shape (240, 320, 3)) as an XVID AVI of 25 frames per second."""
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"XVID"), FPS, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise OSError(f"OpenCV cannot write XVID AVI to {path}; its FFmpeg build must have the mpeg4 encoder")
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
