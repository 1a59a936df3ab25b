"""A room, a light and a camera, and how a figure is drawn in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from pipelines.demo.actions import FloatArray
from pipelines.demo.figure import Part

Image = npt.NDArray[np.uint8]
Pattern = Literal["plain", "stripes", "tiles", "planks", "bricks", "dots"]
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)

HEIGHT, WIDTH = 240, 320
MARGIN = 8  # the room is drawn this much wider on every side, so that the camera can shake
_SHIFT_BITS = 4  # OpenCV draws at a 16th of a pixel: limbs glide instead of jumping
_SUBPIXEL = 1 << _SHIFT_BITS
_RIM = 12  # corners of a ball's outline
_OUTLINE_ANGLES = np.arange(_RIM) * (2.0 * np.pi / _RIM)
_OUTLINE = np.stack([np.cos(_OUTLINE_ANGLES), np.sin(_OUTLINE_ANGLES)], axis=-1)
# A part is drawn in layers from its shaded edge to its lit middle: share of the radius, shift towards the light
# in radii, brightness.
_LAYERS = ((1.0, 0.0, 0.58), (0.8, 0.14, 0.88), (0.44, 0.32, 1.14))


@dataclass(frozen=True)
class Camera:
    """Where the camera stands: angles in degrees around the figure, lengths in metres.

    Attributes:
        yaw: 0 sees the figure's face, 90 its side.
        elevation: Above the horizon.
        distance: To the point looked at.
        metre_px: Pixels that a metre takes at that distance.
        aim_height: Height of the point looked at.
    """

    yaw: float
    elevation: float
    distance: float
    metre_px: float
    aim_height: float

    def axes(self) -> tuple[FloatArray, FloatArray]:
        """The camera's place, shape (3,), and its axes right, down and ahead as rows, shape (3, 3)."""
        yaw, elevation = np.radians(self.yaw), np.radians(self.elevation)
        towards = np.array([np.sin(yaw) * np.cos(elevation), np.cos(yaw) * np.cos(elevation), np.sin(elevation)])
        ahead = -towards
        right = np.array([-np.cos(yaw), np.sin(yaw), 0.0])
        down = np.cross(ahead, right)
        place = np.array([0.0, 0.0, self.aim_height]) + self.distance * towards
        return place, np.stack([right, down, ahead])

    def project(self, points: FloatArray) -> FloatArray:
        """Points in space to columns (x, y, pixels per metre, depth in metres), shape (..., 4)."""
        place, axes = self.axes()
        seen = (points - place) @ axes.T
        scale = self.metre_px * self.distance / seen[..., 2]
        return np.stack(
            [WIDTH / 2 + seen[..., 0] * scale, HEIGHT / 2 + seen[..., 1] * scale, scale, seen[..., 2]], axis=-1
        )


@dataclass(frozen=True)
class Surface:
    """How a floor or a wall looks; colours are RGB from 0 to 255, `size` is a pattern's repeat in metres."""

    pattern: Pattern
    colour: tuple[float, float, float]
    second_colour: tuple[float, float, float]
    size: float


@dataclass(frozen=True)
class Room:
    """A box of a room: a floor, walls at distances from the figure, turned against the camera."""

    floor: Surface
    wall: Surface
    skirting: tuple[float, float, float]
    walls_m: tuple[float, float, float, float]
    turn_deg: float
    texture_seed: int


@dataclass(frozen=True)
class Light:
    """A far light: where it stands (degrees) and how dark the shadow on the floor is (0 to 1)."""

    azimuth: float
    elevation: float
    shadow: float

    def way(self) -> FloatArray:
        """From the figure to the light, unit length, shape (3,)."""
        azimuth, elevation = np.radians(self.azimuth), np.radians(self.elevation)
        return np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])


def draw_room(room: Room, *, camera: Camera, light: Light) -> Image:
    """The empty room: RGB, uint8, shape (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN, 3).

    Every pixel follows its ray to the far side of the box, so walls between camera and figure are not seen.
    """
    import cv2

    fine = 2  # drawn twice as fine and averaged: patterns far away do not flicker
    height, width = HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN
    place, axes = camera.axes()
    x = (np.arange(width * fine) + 0.5) / fine - width / 2
    y = (np.arange(height * fine) + 0.5) / fine - height / 2
    focal = camera.metre_px * camera.distance
    rays = x[None, :, None] * axes[0] + y[:, None, None] * axes[1] + focal * axes[2]
    turn = np.radians(room.turn_deg)
    spin = np.array([[np.cos(turn), -np.sin(turn), 0.0], [np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]])
    rays, place, sun = (rays @ spin).astype(np.float32), place @ spin, light.way() @ spin

    right, left, back, front = room.walls_m
    far: list[npt.NDArray[np.float32]] = []
    for axis, plus, minus in ((0, right, left), (1, back, front), (2, 9.0, 0.0)):
        along = rays[..., axis]
        wall = np.where(along > 0, plus, -minus).astype(np.float32)
        safe = np.where(np.abs(along) < 1e-6, np.float32(1e-6), along)
        far.append(((wall - np.float32(place[axis])) / safe).astype(np.float32))
    hit = np.argmin(np.stack(far), axis=0)
    points = place.astype(np.float32) + rays * np.min(np.stack(far), axis=0)[..., None]

    rng = np.random.default_rng(room.texture_seed)
    on_floor = (hit == 2) & (points[..., 2] < 1.0)
    across = np.where(hit == 0, points[..., 1], points[..., 0])
    picture = np.where(
        on_floor[..., None],
        _covered(room.floor, points[..., 0], points[..., 1], rng=rng),
        _covered(room.wall, across, points[..., 2], rng=rng),
    )
    skirting = ~on_floor & (points[..., 2] < 0.11)
    picture[skirting] = room.skirting
    picture[~on_floor & (np.abs(points[..., 2] - 0.11) < 0.012)] *= 0.7

    # Light falls on each side by its angle; corners are darker; it is brightest around the figure.
    facing = np.array([abs(sun[0]), abs(sun[1]), sun[2]])
    shade = (0.72 + 0.3 * facing).astype(np.float32)[hit]
    to_edge = np.minimum.reduce(
        [
            np.where(hit == 0, 9.0, np.minimum(right - points[..., 0], points[..., 0] + left)),
            np.where(hit == 1, 9.0, np.minimum(back - points[..., 1], points[..., 1] + front)),
            np.where(on_floor, 9.0, points[..., 2]),
        ]
    )
    shade = shade * (1.0 - 0.28 * np.exp(-np.maximum(to_edge, 0.0) / 0.25))
    away = np.sum((points - np.array([0.0, 0.0, 0.6], dtype=np.float32)) ** 2, axis=-1)
    shade = shade * (0.74 + 0.3 * np.exp(-away / 9.0))
    bright: Image = np.clip(picture * shade[..., None], 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(bright, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _covered(
    surface: Surface, u: npt.NDArray[np.float32], v: npt.NDArray[np.float32], *, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """The colour of a surface at places in metres: float32, shape (height, width, 3)."""
    import cv2

    us, vs = u / surface.size, v / surface.size
    match surface.pattern:
        case "plain":
            second = np.zeros(u.shape, dtype=np.float32)
        case "stripes":
            second = (np.mod(us, 1.0) < 0.5).astype(np.float32)
        case "tiles":
            second = ((np.floor(us) + np.floor(vs)) % 2).astype(np.float32)
        case "planks":
            row = np.floor(vs * 2)
            tone = np.mod(np.sin(row * 12.9898 + np.floor(us / 4 + row * 0.37) * 78.233) * 43758.5, 1.0)
            second = np.where(np.mod(vs * 2, 1.0) < 0.06, 1.0, 0.55 * tone)
        case "bricks":
            shifted = us + 0.5 * np.mod(np.floor(vs * 2), 2.0)
            second = ((np.mod(vs * 2, 1.0) < 0.12) | (np.mod(shifted, 1.0) < 0.06)).astype(np.float32)
        case "dots":
            near = (np.mod(us, 1.0) - 0.5) ** 2 + (np.mod(vs, 1.0) - 0.5) ** 2
            second = (near < 0.05).astype(np.float32)
    first_rgb, second_rgb = (np.array(rgb, np.float32) for rgb in (surface.colour, surface.second_colour))
    colour = first_rgb + (second_rgb - first_rgb) * second[..., None].astype(np.float32)
    stains = cv2.resize(rng.normal(0.0, 1.0, (64, 64)).astype(np.float32), (256, 256), interpolation=cv2.INTER_CUBIC)
    u_px, v_px = (np.mod(metres * 60.0, 256.0).astype(np.float32) for metres in (u, v))
    grain = cv2.remap(stains, u_px, v_px, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(colour * (1.0 + 0.045 * grain)[..., None], dtype=np.float32)


def draw_frames(
    joints: FloatArray,
    *,
    parts: tuple[Part, ...],
    colours: FloatArray,
    room_image: Image,
    camera: Camera,
    light: Light,
    shake_px: FloatArray,
) -> Iterator[Image]:
    """Draw the figure in its room, moment by moment, without sensor noise.

    Args:
        joints: Places in metres, shape (time, joint, 3).
        parts: What dresses the joints.
        colours: RGB from 0 to 255, shape (colour, 3), rows as in Colour.
        room_image: As drawn by draw_room with the same camera and light.
        camera: Where the figure is seen from.
        light: Where it is lit from.
        shake_px: How far the camera points off, (x, y), shape (time, 2), within MARGIN.

    Yields:
        Frames in order of time: RGB, uint8, shape (HEIGHT, WIDTH, 3).
    """
    import cv2

    _, axes = camera.axes()
    sun = light.way()
    to_light = axes[:2] @ sun
    ball_joints = [joint for part in parts for joint, _ in part.balls]
    radii = np.array([radius for part in parts for _, radius in part.balls])
    ends = np.cumsum([len(part.balls) for part in parts])
    starts = ends - [len(part.balls) for part in parts]

    seen = camera.project(joints[:, ball_joints])
    middles = seen[..., :2] - shake_px[:, None, :]
    sizes = radii * seen[..., 2]
    depths = np.stack([seen[:, first:last, 3].mean(axis=1) for first, last in zip(starts, ends, strict=True)], axis=1)
    depths += [part.behind_m for part in parts]
    order = np.argsort(-depths, axis=1, kind="stable")
    layers = [
        _fixed_point(
            (middles + sizes[..., None] * shift * to_light)[..., None, :] + (share * sizes)[..., None, None] * _OUTLINE
        )
        for share, shift, _ in _LAYERS
    ]
    paints = [[_paint(colours[part.colour] * brightness) for _, _, brightness in _LAYERS] for part in parts]
    shadows = _shadow_outlines(joints[:, ball_joints], radii=radii, camera=camera, sun=sun, shake_px=shake_px)

    for moment in range(len(joints)):
        frame = _shifted(room_image, shake_px[moment])
        _cast_shadow(frame, shadows[moment], darkness=light.shadow, starts=starts, ends=ends)
        for index in order[moment]:
            span = slice(starts[index], ends[index])
            for layer, paint in zip(layers, paints[index], strict=True):
                outline = cv2.convexHull(layer[moment, span].reshape(-1, 2))
                cv2.fillConvexPoly(frame, outline, paint, cv2.LINE_AA, _SHIFT_BITS)
        yield np.asarray(frame, dtype=np.uint8)


def _shifted(room_image: Image, shake: FloatArray) -> Image:
    """The window of the room that the camera sees, between pixels too, shape (HEIGHT, WIDTH, 3).

    Two weighted sums: a quarter of the time of cv2.getRectSubPix, with the same bilinear weights.
    """
    import cv2

    left, top = (int(whole) for whole in np.floor(shake))
    part_x, part_y = (shake - np.floor(shake)).tolist()
    rows = slice(MARGIN + top, MARGIN + top + HEIGHT + 1)
    first, second = (room_image[rows, MARGIN + left + step : MARGIN + left + step + WIDTH] for step in (0, 1))
    columns_mixed = cv2.addWeighted(first, 1.0 - part_x, second, part_x, 0.0)
    mixed = cv2.addWeighted(columns_mixed[:-1], 1.0 - part_y, columns_mixed[1:], part_y, 0.0)
    return np.asarray(mixed, dtype=np.uint8)


def _fixed_point(pixels: FloatArray) -> npt.NDArray[np.int32]:
    return np.round(pixels * _SUBPIXEL).astype(np.int32)


def _paint(rgb: FloatArray) -> tuple[float, float, float]:
    red, green, blue = np.clip(rgb, 0.0, 255.0)
    return float(red), float(green), float(blue)


_COARSE = 4  # a soft shadow is drawn this many times smaller


def _shadow_outlines(
    balls: FloatArray, *, radii: FloatArray, camera: Camera, sun: FloatArray, shake_px: FloatArray
) -> npt.NDArray[np.int32]:
    """Outlines of the balls' shadows on the floor, in coarse pixels, shape (time, ball, corner, 2)."""
    on_floor = balls - balls[..., 2:] * (sun / sun[2])
    discs = np.concatenate([_OUTLINE, np.zeros((_RIM, 1))], axis=1)
    outlines = camera.project(on_floor[..., None, :] + radii[:, None, None] * discs)[..., :2]
    return _fixed_point((outlines - shake_px[:, None, None, :]) / _COARSE)


def _cast_shadow(
    frame: Image,
    outlines: npt.NDArray[np.int32],
    *,
    darkness: float,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
) -> None:
    """Darken the frame where the figure keeps the light away."""
    import cv2

    mask = np.zeros((HEIGHT // _COARSE, WIDTH // _COARSE), dtype=np.uint8)
    for first, last in zip(starts, ends, strict=True):
        cv2.fillConvexPoly(mask, cv2.convexHull(outlines[first:last].reshape(-1, 2)), 255, cv2.LINE_8, _SHIFT_BITS)
    soft = cv2.GaussianBlur(mask, (5, 5), 0)
    left, top, width, height = cv2.boundingRect(soft)
    if width == 0 or height == 0:
        return
    shadow = cv2.resize(
        soft[top : top + height, left : left + width],
        (width * _COARSE, height * _COARSE),
        interpolation=cv2.INTER_LINEAR,
    )
    rows, columns = (
        slice(top * _COARSE, (top + height) * _COARSE),
        slice(left * _COARSE, (left + width) * _COARSE),
    )
    weight = shadow.astype(np.float32) / np.float32(255.0)
    lit = frame[rows, columns]
    dark = cv2.convertScaleAbs(lit, alpha=1.0 - darkness)
    frame[rows, columns] = cv2.blendLinear(dark, lit, weight, 1.0 - weight)
