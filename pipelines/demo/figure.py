"""A jointed figure in space: from a pose to the places of its joints, and the round parts that dress them."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from pipelines.demo.actions import ANGLES, FloatArray


class Joint(IntEnum):
    """A row of the joints array."""

    LEFT_HIP = 0
    RIGHT_HIP = 1
    LEFT_KNEE = 2
    RIGHT_KNEE = 3
    LEFT_ANKLE = 4
    RIGHT_ANKLE = 5
    LEFT_TOE = 6
    RIGHT_TOE = 7
    LEFT_SHOULDER = 8
    RIGHT_SHOULDER = 9
    LEFT_ELBOW = 10
    RIGHT_ELBOW = 11
    LEFT_HAND = 12
    RIGHT_HAND = 13
    NECK = 14
    HEAD = 15
    FACE = 16
    WAIST = 17


class Colour(IntEnum):
    """A row of the figure's colours."""

    SKIN = 0
    HAIR = 1
    SHIRT = 2
    SLEEVE = 3
    TROUSERS = 4
    SHOES = 5


@dataclass(frozen=True)
class Proportions:
    """Lengths of the figure in metres."""

    thigh: float = 0.43
    shin: float = 0.42
    torso: float = 0.52
    upper_arm: float = 0.29
    forearm: float = 0.27
    head: float = 0.118
    shoulders: float = 0.36
    hips: float = 0.19
    stance: float = 0.26
    girth: float = 1.0


@dataclass(frozen=True)
class Part:
    """The hull of a few balls, in one colour.

    Attributes:
        balls: Joint and radius in metres of each.
        colour: Of the whole part.
        behind_m: Parts are drawn from far to near, this one as if it were so much farther.
    """

    balls: tuple[tuple[Joint, float], ...]
    colour: Colour
    behind_m: float = 0.0


def parts_of(proportions: Proportions) -> tuple[Part, ...]:
    """The figure's limbs, torso and head, as balls (joint, radius in metres)."""
    girth, head = proportions.girth, proportions.head

    def limb(first: Joint, first_radius: float, second: Joint, second_radius: float, colour: Colour) -> Part:
        return Part(((first, first_radius * girth), (second, second_radius * girth)), colour)

    torso = Part(
        (
            (Joint.LEFT_SHOULDER, 0.072 * girth),
            (Joint.RIGHT_SHOULDER, 0.072 * girth),
            (Joint.LEFT_HIP, 0.088 * girth),
            (Joint.RIGHT_HIP, 0.088 * girth),
            (Joint.WAIST, 0.105 * girth),
        ),
        Colour.SHIRT,
    )
    sides: list[Part] = []
    for side in (0, 1):
        hip, knee, ankle, toe = (Joint(joint + side) for joint in (0, 2, 4, 6))
        shoulder, elbow, hand = (Joint(joint + side) for joint in (8, 10, 12))
        sides += [
            # The shirt hangs over the trousers: without this, sway pops a thigh out before it.
            Part(((hip, 0.1 * girth), (knee, 0.068 * girth)), Colour.TROUSERS, behind_m=0.08),
            limb(knee, 0.066, ankle, 0.047, Colour.TROUSERS),
            limb(ankle, 0.05, toe, 0.036, Colour.SHOES),
            limb(shoulder, 0.066, elbow, 0.05, Colour.SHIRT),
            limb(elbow, 0.046, hand, 0.036, Colour.SLEEVE),
            Part(((hand, 0.05 * girth),), Colour.SKIN),
        ]
    neck = limb(Joint.NECK, 0.052, Joint.HEAD, 0.045, Colour.SKIN)
    hair = Part(((Joint.HEAD, head),), Colour.HAIR)
    face = Part(((Joint.FACE, 0.8 * head),), Colour.SKIN)
    return (torso, *sides, neck, hair, face)


def joints_of(poses: FloatArray, *, proportions: Proportions, arm_uneven_deg: float = 0.0) -> FloatArray:
    """Places of the joints in metres; the feet stay where they are and the legs bend to reach them.

    Args:
        poses: float64, shape (time, angle), columns as in ANGLES.
        proportions: Lengths of the figure.
        arm_uneven_deg: How much further one arm goes than the other.

    Returns:
        float64, shape (time, joint, 3): to the figure's right, forward, up. The floor is at 0, and the pelvis is on
        average above the origin.
    """
    column = {angle: poses[:, index] for index, angle in enumerate(ANGLES)}
    n_frames = len(poses)
    leg, ankle_height = proportions.thigh + proportions.shin, 0.07
    feet_ahead = column["feet_ahead"] * leg
    ankle_y = np.full(n_frames, feet_ahead.mean())
    pelvis = _points(np.zeros(n_frames), ankle_y - feet_ahead, ankle_height + column["pelvis_height"] * leg)

    pitch = np.radians(column["torso_pitch"])
    up = _points(np.zeros(n_frames), np.sin(pitch), np.cos(pitch))
    ahead = _points(np.zeros(n_frames), np.cos(pitch), -np.sin(pitch))
    nod = pitch + np.radians(column["head_pitch"])
    head_up = _points(np.zeros(n_frames), np.sin(nod), np.cos(nod))
    head_ahead = _points(np.zeros(n_frames), np.cos(nod), -np.sin(nod))
    right = np.array([1.0, 0.0, 0.0])

    joints = np.zeros((n_frames, len(Joint), 3))
    neck = pelvis + proportions.torso * up
    joints[:, Joint.NECK] = neck
    joints[:, Joint.WAIST] = pelvis + 0.3 * proportions.torso * up + 0.02 * ahead
    joints[:, Joint.HEAD] = neck + (0.06 + proportions.head) * head_up
    joints[:, Joint.FACE] = joints[:, Joint.HEAD] + 0.36 * proportions.head * (head_ahead - 0.25 * head_up)

    feet_pitch = np.radians(column["feet_pitch"])
    toe_way = _points(np.zeros(n_frames), np.cos(feet_pitch), np.sin(feet_pitch))
    for side, sign in ((0, -1.0), (1, 1.0)):
        hip = pelvis + 0.5 * sign * proportions.hips * right
        ankle = _points(np.full(n_frames, 0.5 * sign * proportions.stance), ankle_y, np.full(n_frames, ankle_height))
        joints[:, Joint.LEFT_HIP + side] = hip
        joints[:, Joint.LEFT_KNEE + side] = _knee(hip, ankle, thigh=proportions.thigh, shin=proportions.shin)
        joints[:, Joint.LEFT_ANKLE + side] = ankle
        joints[:, Joint.LEFT_TOE + side] = ankle + 0.17 * toe_way + 0.05 * sign * right - np.array([0.0, 0.0, 0.025])

        uneven = 1.0 + sign * np.radians(arm_uneven_deg)
        flex = np.radians(column["arm_flex"]) * uneven
        abduct = np.radians(column["arm_abduct"]) * uneven
        bend = flex + np.radians(column["elbow_bend"])
        shoulder = neck - 0.05 * up + 0.5 * sign * proportions.shoulders * right
        elbow = shoulder + proportions.upper_arm * _arm_way(flex, abduct, sign=sign, ahead=ahead, up=up)
        joints[:, Joint.LEFT_SHOULDER + side] = shoulder
        joints[:, Joint.LEFT_ELBOW + side] = elbow
        joints[:, Joint.LEFT_HAND + side] = elbow + proportions.forearm * _arm_way(
            bend, abduct, sign=sign, ahead=ahead, up=up
        )
    return joints


def _points(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    return np.stack([x, y, z], axis=-1)


def _arm_way(flex: FloatArray, abduct: FloatArray, *, sign: float, ahead: FloatArray, up: FloatArray) -> FloatArray:
    sideways = sign * np.sin(abduct)[:, None] * np.array([1.0, 0.0, 0.0])
    in_plane = np.sin(flex)[:, None] * ahead - np.cos(flex)[:, None] * up
    return np.asarray(sideways + np.cos(abduct)[:, None] * in_plane)


def _knee(hip: FloatArray, ankle: FloatArray, *, thigh: float, shin: float) -> FloatArray:
    """Where two bones of these lengths meet, bent forward and up (law of cosines)."""
    line = ankle - hip
    reach = np.minimum(np.linalg.norm(line, axis=-1, keepdims=True), 0.999 * (thigh + shin))
    line = line / np.linalg.norm(line, axis=-1, keepdims=True)
    forward_and_up = np.array([0.0, 0.8, 0.6])
    bend = forward_and_up - (line @ forward_and_up)[:, None] * line
    bend = bend / np.linalg.norm(bend, axis=-1, keepdims=True)
    along = (reach**2 + thigh**2 - shin**2) / (2.0 * reach)
    return np.asarray(hip + along * line + np.sqrt(np.maximum(thigh**2 - along**2, 0.0)) * bend)
