"""What is drawn by lot for the demo's videos: how a group looks, and what sets its videos apart."""

import colorsys
from dataclasses import dataclass

import numpy as np

from pipelines.demo.actions import ANGLES, CLASSES, SPREAD, Timing, as_row, motion_of
from pipelines.demo.figure import Proportions
from pipelines.demo.scene import PATTERNS, Camera, Light, Room, Surface

FPS = 25


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
