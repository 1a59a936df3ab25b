"""The actions of the demo: four motions between two poses, each played forwards and backwards.

The two actions of a pair show the same frames in opposite order, so one frame tells the pair and never the direction:
who names all eight has looked at time.
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """Joint angles of the figure, in degrees, and where its pelvis is, in leg lengths.

    Attributes:
        pelvis_height: Pelvis above the ankles.
        feet_ahead: Ankles before the pelvis.
        feet_pitch: Toes up from the floor.
        torso_pitch: 0 is upright, 90 bent forward, -90 on the back.
        head_pitch: Nod, relative to the torso.
        arm_flex: Upper arm forward and up; 0 hangs along the torso.
        arm_abduct: Upper arm out to its side.
        elbow_bend: 0 is a straight arm.
    """

    pelvis_height: float = 0.98
    feet_ahead: float = 0.0
    feet_pitch: float = 0.0
    torso_pitch: float = 1.0
    head_pitch: float = 0.0
    arm_flex: float = 2.0
    arm_abduct: float = 10.0
    elbow_bend: float = 12.0


ANGLES = tuple(field.name for field in fields(Pose))

# How much a pose differs from group to group (standard deviation), in the units of Pose.
SPREAD = Pose(
    pelvis_height=0.0,
    feet_ahead=0.0,
    feet_pitch=4.0,
    torso_pitch=3.0,
    head_pitch=6.0,
    arm_flex=8.0,
    arm_abduct=4.0,
    elbow_bend=8.0,
)


@dataclass(frozen=True)
class Motion:
    """One motion from a pose to another, with what it is called forwards and backwards."""

    forwards: str
    backwards: str
    start: Pose
    end: Pose


_SEATED = Pose(
    pelvis_height=0.03, feet_ahead=0.86, feet_pitch=70, torso_pitch=8, arm_flex=58, arm_abduct=12, elbow_bend=10
)

MOTIONS = (
    Motion(
        forwards="CrouchDown",
        backwards="StandUp",
        start=Pose(),
        end=Pose(
            pelvis_height=0.36, feet_ahead=0.22, torso_pitch=18, head_pitch=-8, arm_flex=82, arm_abduct=32, elbow_bend=6
        ),
    ),
    Motion(
        forwards="RaiseArms",
        backwards="LowerArms",
        start=Pose(),
        end=Pose(torso_pitch=-3, head_pitch=-10, arm_abduct=158, elbow_bend=6),
    ),
    Motion(
        forwards="BendOver",
        backwards="StraightenUp",
        start=Pose(),
        end=Pose(pelvis_height=0.955, feet_ahead=0.16, torso_pitch=114, head_pitch=8, arm_flex=84, elbow_bend=4),
    ),
    Motion(
        forwards="LieBack",
        backwards="SitUp",
        start=_SEATED,
        end=Pose(
            pelvis_height=0.03, feet_ahead=0.86, feet_pitch=70, torso_pitch=-84, arm_flex=8, arm_abduct=16, elbow_bend=6
        ),
    ),
)

# Each class and the class that its videos show when played backwards.
REVERSED: dict[str, str] = {motion.forwards: motion.backwards for motion in MOTIONS} | {
    motion.backwards: motion.forwards for motion in MOTIONS
}
CLASSES: tuple[str, ...] = tuple(sorted(REVERSED))


def motion_of(label: str) -> Motion:
    """The motion that a class shows, forwards or backwards."""
    for motion in MOTIONS:
        if label in (motion.forwards, motion.backwards):
            return motion
    raise KeyError(f"{label!r} is not a class of the demo; they are {', '.join(CLASSES)}")


def as_row(pose: Pose) -> FloatArray:
    """A pose as numbers, float64, shape (angle,), in the order of ANGLES."""
    return np.array([getattr(pose, angle) for angle in ANGLES], dtype=np.float64)


@dataclass(frozen=True)
class Timing:
    """How far a motion has gone at each moment of a video.

    Attributes:
        n_frames: Frames in the video.
        hold_before: Share of the video before anything moves.
        hold_after: Share of the video after the last movement.
        skew: Above 1 sets out slowly and arrives fast, below 1 the other way round.
        snap: 0 moves evenly, 1 with a soft start and a soft end.
    """

    n_frames: int
    hold_before: float
    hold_after: float
    skew: float
    snap: float

    def progress(self) -> FloatArray:
        """From 0 to 1 and never back, float64, shape (time,)."""
        clock = np.linspace(0.0, 1.0, self.n_frames)
        moved = np.clip((clock - self.hold_before) / (1.0 - self.hold_before - self.hold_after), 0.0, 1.0)
        gentle = moved * moved * (3.0 - 2.0 * moved)
        softest = moved**3 * (moved * (6.0 * moved - 15.0) + 10.0)
        return np.asarray(((1.0 - self.snap) * gentle + self.snap * softest) ** self.skew, dtype=np.float64)
