"""Labelled demo videos, drawn and packed as UCF101 is: a zip of `UCF101/v_<Class>_g<GG>_c<CC>.avi`."""

import colorsys
import json
import multiprocessing
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipelines.demo.actions import ANGLES, CLASSES, SPREAD, FloatArray, Timing, as_row, motion_of
from pipelines.demo.figure import Proportions, joints_of, parts_of
from pipelines.demo.scene import (
    HEIGHT,
    MARGIN,
    PATTERNS,
    WIDTH,
    Camera,
    Image,
    Light,
    Room,
    Surface,
    draw_frames,
    draw_room,
)

FPS = 25
GROUPS_PER_CLASS = 24
CLIPS_PER_GROUP = 5
DRAWING_VERSION = 4  # a zip drawn by another version is not reused
_NOISE_LEVELS = 2.0  # standard deviation of the sensor noise, of 255


@dataclass(frozen=True)
class GroupLook:
    """What the videos of one group share, as if cut from one recording.

    Attributes:
        camera: Where it is seen from.
        light: Where it is lit from.
        room: Where it takes place.
        proportions: Of the figure.
        colours: Of the figure, RGB from 0 to 255, in the order of figure.Colour.
        start_angles: Where the motion sets out, in the order of actions.ANGLES.
        end_angles: Where it arrives.
    """

    camera: Camera
    light: Light
    room: Room
    proportions: Proportions
    colours: tuple[tuple[float, float, float], ...]
    start_angles: tuple[float, ...]
    end_angles: tuple[float, ...]


@dataclass(frozen=True)
class ClipPlan:
    """What one video of a group has for itself.

    Attributes:
        timing: When the figure moves.
        turn_deg: How far the figure is turned away from where its group faces.
        place_m: Where it stands, to the right and forward.
        arm_uneven_deg: How much further one arm goes than the other.
        sway: Amplitude (degrees), cycles per second and phase of the torso's sway.
        shakes: Amplitude (pixels), cycles per second and phase of each swing of the camera: two across, two down.
        is_backwards: Whether the frames are played from last to first.
        noise_seed: Of the sensor noise.
    """

    timing: Timing
    turn_deg: float
    place_m: tuple[float, float]
    arm_uneven_deg: float
    sway: tuple[float, float, float]
    shakes: tuple[tuple[float, float, float], ...]
    is_backwards: bool
    noise_seed: int


@dataclass(frozen=True)
class DemoZip:
    """A finished zip of demo videos."""

    path: Path
    n_videos: int
    n_bytes: int
    is_reused: bool


def video_name(label: str, *, group: int, clip: int) -> str:
    """A video's file name, as UCF101 has it; groups and clips count from 1."""
    return f"v_{label}_g{group:02d}_c{clip:02d}.avi"


def group_look(label: str, *, seed: int, group: int) -> GroupLook:
    """Draw the look of a group; every class draws from the same looks, so a look does not tell the class."""
    motion = motion_of(label)
    rng = np.random.default_rng([seed, CLASSES.index(label), group])
    uniform = rng.uniform
    camera = Camera(
        yaw=float(uniform(-60, 60)),
        elevation=float(uniform(8, 20)),
        distance=float(uniform(4.0, 6.0)),
        metre_px=float(uniform(92, 102)),
        aim_height=float(uniform(0.91, 0.96)),
    )
    light = Light(
        azimuth=float(90 - camera.yaw + uniform(-80, 80)),
        elevation=float(uniform(48, 72)),
        shadow=float(uniform(0.3, 0.55)),
    )
    room = Room(
        floor=_surface(rng, hue=(0.02, 0.16), size=(0.35, 0.9)),
        wall=_surface(rng, hue=(0.0, 1.0), size=(0.3, 0.8)),
        skirting=_rgb(uniform(), 0.1, uniform(0.6, 0.98)),
        walls_m=(float(uniform(1.6, 3)), float(uniform(1.6, 3)), float(uniform(1.6, 3)), float(uniform(1.6, 3))),
        turn_deg=float(uniform(0, 90)),
        texture_seed=int(rng.integers(2**31)),
    )
    build, girth = float(uniform(0.94, 1.06)), float(uniform(1.05, 1.3))
    around = Proportions()
    proportions = Proportions(
        thigh=around.thigh * build * float(uniform(0.96, 1.04)),
        shin=around.shin * build * float(uniform(0.96, 1.04)),
        torso=around.torso * build * float(uniform(0.95, 1.05)),
        upper_arm=around.upper_arm * build * float(uniform(0.96, 1.04)),
        forearm=around.forearm * build * float(uniform(0.96, 1.04)),
        head=around.head * float(uniform(0.95, 1.12)),
        shoulders=around.shoulders * build * float(uniform(0.92, 1.1)),
        hips=around.hips * build,
        stance=float(uniform(0.2, 0.36)),
        girth=girth,
    )
    # Every room is pale and all clothes are strong: a small network learns the motion, not the rooms.
    shirt = _rgb(uniform(), uniform(0.65, 1.0), uniform(0.3, 0.7))
    skin = float(uniform(90, 215))
    skin_rgb = (skin, 0.76 * skin, 0.62 * skin)
    colours = (  # in the order of Colour
        skin_rgb,
        _rgb(uniform(0.02, 0.12), uniform(0.2, 0.7), uniform(0.1, 0.55) * skin / 255),
        shirt,
        shirt if uniform() < 0.5 else skin_rgb,
        _rgb(uniform(), uniform(0.4, 0.95), uniform(0.2, 0.6)),
        _rgb(uniform(), uniform(0.0, 0.8), uniform(0.1, 0.5)),
    )
    spread = as_row(SPREAD)
    start = as_row(motion.start) + spread * np.clip(rng.normal(size=len(ANGLES)), -2, 2)
    end = as_row(motion.end) + spread * np.clip(rng.normal(size=len(ANGLES)), -2, 2)
    return GroupLook(
        camera=camera,
        light=light,
        room=room,
        proportions=proportions,
        colours=colours,
        start_angles=tuple(start.tolist()),
        end_angles=tuple(end.tolist()),
    )


def _rgb(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return 255.0 * red, 255.0 * green, 255.0 * blue


def _surface(rng: np.random.Generator, *, hue: tuple[float, float], size: tuple[float, float]) -> Surface:
    tint, saturation, level = rng.uniform(*hue), rng.uniform(0.03, 0.22), rng.uniform(0.7, 0.92)
    return Surface(
        pattern=PATTERNS[int(rng.integers(len(PATTERNS)))],
        colour=_rgb(tint, saturation, level),
        second_colour=_rgb(tint + rng.uniform(-0.06, 0.06), saturation, level * rng.uniform(0.84, 0.95)),
        size=float(rng.uniform(*size)),
    )


def clip_plan(label: str, *, seed: int, group: int, clip: int) -> ClipPlan:
    """Draw what sets one video apart from the others of its group."""
    rng = np.random.default_rng([seed, CLASSES.index(label), group, clip])
    uniform = rng.uniform
    return ClipPlan(
        timing=Timing(
            n_frames=int(rng.integers(2 * FPS, 3 * FPS)),
            hold_before=float(uniform(0.03, 0.12)),
            hold_after=float(uniform(0.03, 0.12)),
            skew=float(np.exp(uniform(-0.2, 0.2))),
            snap=float(uniform()),
        ),
        turn_deg=float(uniform(-12, 12)),
        place_m=(float(uniform(-0.1, 0.1)), float(uniform(-0.1, 0.1))),
        arm_uneven_deg=float(uniform(-4, 4)),
        sway=(float(uniform(0.3, 1.5)), float(uniform(0.2, 0.7)), float(uniform(0, 2 * np.pi))),
        shakes=tuple(
            (float(uniform(0.1, 0.7)), float(uniform(0.2, 1.0)), float(uniform(0, 2 * np.pi))) for _ in range(4)
        ),
        is_backwards=label == motion_of(label).backwards,
        noise_seed=int(rng.integers(2**31)),
    )


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


def _noisy(frames: Iterator[Image], *, seed: int) -> Iterator[Image]:
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


@dataclass(frozen=True)
class _Parameters:
    """What the bytes of a zip depend on; the zip carries it as its comment."""

    seed: int
    groups_per_class: int
    clips_per_group: int
    drawing_version: int = DRAWING_VERSION


@dataclass(frozen=True)
class _GroupJob:
    """The videos of one group, to be drawn by one process."""

    label: str
    seed: int
    group: int
    n_clips: int


def _draw_group(job: _GroupJob) -> list[tuple[str, bytes]]:
    """File names and bytes of a group's videos."""
    import cv2

    cv2.setNumThreads(1)
    look = group_look(job.label, seed=job.seed, group=job.group)
    room_image = draw_room(look.room, camera=look.camera, light=look.light)
    videos: list[tuple[str, bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        for clip in range(1, job.n_clips + 1):
            plan = clip_plan(job.label, seed=job.seed, group=job.group, clip=clip)
            path = Path(folder) / video_name(job.label, group=job.group, clip=clip)
            write_video(path, _noisy(frames_of(look, plan, room_image=room_image), seed=plan.noise_seed))
            videos.append((path.name, path.read_bytes()))
    return videos


def write_demo_zip(
    path: Path,
    *,
    seed: int = 0,
    groups_per_class: int = GROUPS_PER_CLASS,
    clips_per_group: int = CLIPS_PER_GROUP,
    n_processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DemoZip:
    """Draw the demo's videos into a zip laid out as UCF101's; a zip already drawn with the same parameters is kept.

    The same parameters give the same bytes. The zip appears under its name only when it is whole.

    Args:
        path: Where the zip goes; its folder is made.
        seed: Of everything drawn.
        groups_per_class: Groups of each of the eight classes, at most 99.
        clips_per_group: Videos of each group, at most 99.
        n_processes: Processes that draw; one for each CPU by default.
        progress: Called with the number of videos drawn and the number of all, after each group.

    Returns:
        The zip and its size.
    """
    for name, value in (("groups_per_class", groups_per_class), ("clips_per_group", clips_per_group)):
        if not 1 <= value <= 99:
            raise ValueError(f"{name} is {value}; file names have two digits for it: take 1 to 99")
    parameters = _Parameters(seed=seed, groups_per_class=groups_per_class, clips_per_group=clips_per_group)
    made_of = json.dumps(asdict(parameters)).encode()
    jobs = [
        _GroupJob(label=label, seed=seed, group=group, n_clips=clips_per_group)
        for label in CLASSES
        for group in range(1, groups_per_class + 1)
    ]
    n_videos = len(jobs) * clips_per_group
    if _comment_of(path) == made_of:
        return DemoZip(path=path, n_videos=n_videos, n_bytes=path.stat().st_size, is_reused=True)

    path.parent.mkdir(parents=True, exist_ok=True)
    n_workers = min(n_processes or os.cpu_count() or 1, len(jobs))
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
            archive.comment = made_of
            n_drawn = 0
            for videos in _drawn(jobs, n_workers=n_workers):
                for name, data in videos:
                    archive.writestr(zipfile.ZipInfo(f"UCF101/{name}", (1980, 1, 1, 0, 0, 0)), data)
                n_drawn += len(videos)
                if progress is not None:
                    progress(n_drawn, n_videos)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return DemoZip(path=path, n_videos=n_videos, n_bytes=path.stat().st_size, is_reused=False)


def _drawn(jobs: list[_GroupJob], *, n_workers: int) -> Iterator[list[tuple[str, bytes]]]:
    """Groups of videos in the order of the jobs."""
    if n_workers == 1:
        yield from map(_draw_group, jobs)
        return
    # Spawned, not forked: a parent that holds threads (TensorFlow's, gRPC's) can hang in a forked child.
    with ProcessPoolExecutor(n_workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_draw_group, jobs)


def _comment_of(path: Path) -> bytes | None:
    """The comment of a finished zip, or None where there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment
    except (OSError, zipfile.BadZipFile):
        return None
