"""Inverse kinematics: the pose whose points lie on given ones of a picture.

Levenberg–Marquardt over the turns of the joints and the place of the hips, with the Jacobian of the chain of joints:
a point moves about a joint's axis by the cross product of the axis with the point's distance from the joint, of as much
of the point as that joint and those behind it carry. Limits and a likely pose are soft priors, which decide what points
of one picture leave open, such as most of the depth, unless depths are given too. Nobody's likeness is asked for: the
shape is given.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import ConditionError
from .camera import DISTANCE, Camera, looking
from .model import BODY, LEFT_HAND, RIGHT_HAND, Shaped
from .pose import STANDING, Posed, rotations, transforms, turned, turns_of
from .pose import pose as posed_with
from .rotations import matrices

#: Nobody is smaller than this, pixels of a metre.
SMALLEST = 1.0
#: Fewer points than this do not tell a pose.
FEWEST = 5
#: How far joints are from a likely pose before it matters as much as a metre between points, radians; so for fingers,
#: which few points tell of, and so beyond a limit.
LIKELY, FINGER_LIKELY, LIMIT = 22.0, 5.0, 0.7
#: Trunk and neck bend less readily than limbs do.
STIFF = {"abdomen": 8.0, "waist": 8.0, "chest": 8.0, "upper chest": 8.0, "neck": 10.0, "collar": 6.0}
#: Points farther off than this count for less and less, metres.
OUTLIER = 0.12
#: The same while the search is far from its end, or a bent knee would be one.
FIRST_OUTLIER = 0.6
#: What a metre between depths counts, squared, beside one between points: a network guesses them. And farther off than
#: this they count for less and less, metres.
DEPTH_TRUST, DEPTH_OUTLIER = 0.1, 0.3
#: What the search starts from: turns of the whole body, degrees, and legs.
YAWS = (0, 90, 180, 270)
LEGS: tuple[dict, ...] = (
    {},
    {f"{side} {joint}": (80, 0, 0) for side in ("left", "right") for joint in ("hip", "knee")},
)
#: Its rounds: of each start, and of the best of them; and where it goes on from a pose.
FIRST_ROUNDS, FINALISTS, ROUNDS, NEAR_ROUNDS = 14, 3, 80, 8
#: How much the likely pose counts in the last rounds.
LAST_TRUST = 0.1
#: How far the hips lean before it matters as much as a metre between points: people are upright unless points say no.
LEAN = 9.0


@dataclass(frozen=True, eq=False)
class Fit:
    """A pose found.

    Attributes:
        posed: the body in it.
        error: root of the mean squared distance between the points and the body's, pixels.
        points: how many told it.
    """

    posed: Posed
    error: float
    points: int

    def sentence(self, name: str, scale: float) -> str:
        """How sure it is, in words; ``scale`` is pixels of a metre."""
        off = self.error / scale * 100
        sure = "well" if off < 4 else "roughly" if off < 10 else "badly: check the points, or another shape"
        return f"{name}: {self.points} points, {self.error:.1f} pixels ({off:.0f} cm) off on average; fits {sure}."


def camera_for(shaped: Shaped, points: np.ndarray, size: tuple[int, int], distance: float = DISTANCE) -> Camera:
    """A level camera in front of people, such that the largest of them is about ``distance`` away.

    Args:
        points: ``[people, K, 3]``: x, y in pixels and confidence, K points as :class:`~.model.Body`'s begin.
    """
    scale = max((_scale(shaped, own) for own in points), default=float(size[0]) / 2)
    return Camera(looking(0), np.zeros(3), distance, scale, size)


def fit(
    shaped: Shaped, points: np.ndarray, camera: Camera, depths: np.ndarray | None = None, near: Posed | None = None
) -> Fit:
    """The pose of a body that shows these points.

    Args:
        points: ``[K, 3]``: x, y in pixels and confidence in 0–1 (0 = not seen), K as :class:`~.model.Body`'s begin.
        depths: ``[K]``, metres farther from the camera than any one place of the body; NaN is not known.
        near: a pose from which the search goes on, of this body or of one of another shape; None tries several.

    Raises:
        ConditionError: too few of them are seen.
    """
    seen = np.flatnonzero(points[:, 2] > 0)
    if (seen < BODY.stop).sum() < FEWEST:
        raise ConditionError(
            f"{(seen < BODY.stop).sum()} points of the body are seen, and a pose needs {FEWEST}. Take a photo that "
            "shows more of the person, lower the threshold of Detect Pose, or set on_no_person to 'skip'."
        )
    problem = _Problem(shaped, points, seen, camera, depths)
    best = problem.among_several() if near is None else _State(near.turns, near.origin, np.inf)
    # Priors have chosen among the poses; the points decide what is left.
    problem.outlier, problem.trust_in_priors = OUTLIER, LAST_TRUST
    best = problem.solve(best, ROUNDS if near is None else NEAR_ROUNDS)
    posed = posed_with(shaped, best.turns, best.origin)
    off = problem.pixels(best.turns, best.origin)[0] - points[seen, :2]
    return Fit(posed, float(np.sqrt((off**2).sum(1).mean())), len(seen))


def _scale(shaped: Shaped, points: np.ndarray) -> float:
    """Pixels of a metre at a person: what is seen of the body, its trunk above all, against the body that stands.

    Foreshortened limbs make the distances smaller, never larger.
    """
    body = shaped.body
    own = np.einsum("jab,kjb->ka", _standing(shaped)[:, :3], shaped.moments[BODY])
    seen = np.flatnonzero(points[BODY, 2] > 0)
    pairs = [(i, j) for i, j in _BONES if i in seen and j in seen]
    if not pairs:
        return max(float(np.ptp(points[seen, 1])) / float(np.ptp(body.vertices[:, 2])), SMALLEST)
    ratios = [np.linalg.norm(points[i, :2] - points[j, :2]) / np.linalg.norm(own[i] - own[j]) for i, j in pairs]
    return max(float(np.quantile(ratios, 0.8)), SMALLEST)


#: Pairs of OpenPose's points that a bone keeps apart.
_BONES = ((1, 8), (1, 11), (2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13))


def _standing(shaped: Shaped) -> np.ndarray:
    body = shaped.body
    return transforms(shaped, rotations(body, turned(body, STANDING)), np.zeros(3))


@dataclass(frozen=True, eq=False)
class _State:
    turns: np.ndarray
    origin: np.ndarray
    cost: float


class _Problem:
    """Points to be met by some joints of a body."""

    def __init__(
        self, shaped: Shaped, points: np.ndarray, seen: np.ndarray, camera: Camera, depths: np.ndarray | None
    ) -> None:
        body = shaped.body
        known = np.full(len(seen), np.nan) if depths is None else depths[seen]
        self.depth, self.has_depth = np.nan_to_num(known), np.isfinite(known)
        self.shaped, self.body, self.camera = shaped, body, camera
        self.target, self.sure, self.seen = points[seen, :2].astype(np.float64), points[seen, 2], seen
        self.moments = shaped.moments[seen]
        # A joint's descendants, itself among them.
        self.carries = np.eye(len(body.names), dtype=bool)
        for joint in range(len(body.names) - 1, 0, -1):
            self.carries[body.parents[joint]] |= self.carries[joint]
        told = [self.moments[:, self.carries[joint], 3].any() for joint in range(len(body.names))]
        hands = [bool(np.isin(seen, np.arange(part.start + 1, part.stop)).any()) for part in (LEFT_HAND, RIGHT_HAND)]
        # The hips are the first, always.
        free = [joint for joint, name in enumerate(body.names) if told[joint] and _is_free(name, *hands)]
        self.joints = np.array(free)
        self.likely, self.trust_in_priors, self.outlier = turned(body, STANDING), 1.0, FIRST_OUTLIER
        self.stiff = np.array([_stiffness(body.names[joint]) for joint in self.joints])

    def among_several(self) -> _State:
        """The best of the starts."""
        starts = [self.solve(self.start(yaw, legs), FIRST_ROUNDS) for yaw in YAWS for legs in LEGS]
        self.outlier = OUTLIER
        finalists = sorted(starts, key=lambda state: state.cost)[:FINALISTS]
        return min((self.solve(state, ROUNDS // 2) for state in finalists), key=lambda state: state.cost)

    def start(self, yaw: float, legs: dict) -> _State:
        """The likely pose, turned and with its legs so, with its points around the given ones."""
        turns = turned(self.body, STANDING | legs)
        turns[0] = (0, 0, yaw)
        scale = _scale(self.shaped, self._all_points())
        camera = self.camera
        origin = camera.centre + camera.rotation.T @ np.array([0, camera.distance * (camera.scale / scale - 1), 0])
        for _ in range(2):
            off = self.target.mean(0) - self.pixels(turns, origin)[0].mean(0)
            origin = origin + camera.rotation.T @ np.array([off[0], 0, -off[1]]) / scale
        return _State(turns, origin, np.inf)

    def _all_points(self) -> np.ndarray:
        points = np.zeros((max(int(self.seen.max()) + 1, BODY.stop), 3))
        points[self.seen] = np.concatenate([self.target, self.sure[:, None]], 1)
        return points

    def pixels(self, turns: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The points' pixels ``[n, 2]``, the joints' transforms, and the points in the camera's axes."""
        moved = transforms(self.shaped, rotations(self.body, turns), origin)
        seen = self.camera.seen(np.einsum("jab,kjb->ka", moved[:, :3], self.moments))
        return self.camera.project(seen)[0], moved, seen

    def solve(self, state: _State, rounds: int) -> _State:
        """Rounds of damped least squares; a step that does not help is taken smaller."""
        damping = 1e-2
        system = self._system(state.turns, state.origin)
        state = _State(state.turns, state.origin, system[2])
        for _ in range(rounds):
            normal, gradient, _ = system
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-6), -gradient)
            turns, origin = self._stepped(state, step)
            after = self._system(turns, origin)
            if after[2] < state.cost:
                gained = state.cost - after[2]
                state, system, damping = _State(turns, origin, after[2]), after, max(damping / 3, 1e-6)
                if gained < 1e-7 * state.cost + 1e-9:
                    break
            else:
                damping *= 5
                if damping > 1e6:
                    break
        return state

    def _stepped(self, state: _State, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        turns = state.turns.copy()
        small = step[:-3].reshape(-1, 3)
        length = np.linalg.norm(small, axis=1, keepdims=True)
        small = small * np.minimum(1, 0.6 / np.maximum(length, 1e-9))
        axes = self.body.turning[self.joints]
        now = rotations(self.body, turns)
        now[self.joints] = now[self.joints] @ matrices(np.einsum("ja,jac->jc", small, axes))
        turns[self.joints] = turns_of(self.body, now)[self.joints]
        return turns, state.origin + step[-3:]

    def _system(self, turns: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Normal matrix, gradient and cost at a pose; the unknowns are small turns of the joints and the origin."""
        pixels, moved, seen = self.pixels(turns, origin)
        camera, scale = self.camera, self.camera.scale
        carried = np.einsum("jab,kjb->kja", moved[:, :3], self.moments)
        behind = np.einsum("ij,kja->kia", self.carries[self.joints].astype(float), carried)
        share = self.moments[:, :, 3] @ self.carries[self.joints].T
        heads = np.einsum("jab,jb->ja", moved[:, :3, :3], self.shaped.joints) + moved[:, :3, 3]
        arm = behind - share[..., None] * heads[self.joints]
        axes = np.einsum("jcd,jad->jac", moved[self.joints, :3, :3], self.body.turning[self.joints])
        swept = np.cross(axes[None], arm[:, :, None])
        space = np.concatenate([swept.reshape(len(seen), -1, 3), np.tile(np.eye(3), (len(seen), 1, 1))], 1)
        space = space @ camera.rotation.T
        # Pixels by metres of the camera's axes, over the camera's own: the errors are metres at its distance.
        away = np.maximum(camera.distance + seen[:, 1], 0.1)
        shrink = (camera.distance / away)[:, None]
        flat = np.stack(
            [
                shrink * space[..., 0] - (shrink[:, 0] / away * seen[:, 0])[:, None] * space[..., 1],
                -shrink * space[..., 2] + (shrink[:, 0] / away * seen[:, 2])[:, None] * space[..., 1],
            ],
            1,
        )
        off = (pixels - self.target) / scale
        squared = (off**2).sum(1)
        # Geman and McClure: an outlier pulls no harder than the others.
        trust = self.sure / (1 + squared / self.outlier**2) ** 2
        rows = flat.reshape(-1, flat.shape[-1]) * np.sqrt(np.repeat(trust, 2))[:, None]
        residual = off.reshape(-1) * np.sqrt(np.repeat(trust, 2))
        normal, gradient = rows.T @ rows, rows.T @ residual
        cost = float((self.sure * squared / (1 + squared / self.outlier**2)).sum())
        if self.has_depth.any():
            more = self._of_depths(seen[:, 1], space[..., 1])
            normal, gradient, cost = normal + more[0], gradient + more[1], cost + more[2]
        return self._with_priors(normal, gradient, cost, turns)

    def _of_depths(self, away: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """What the points' depths add to a system; they are about their own mean, as nothing tells how far all are.

        Args:
            away: of the points, metres, ``[n]``.
            steps: by the unknowns, ``[n, unknowns]``.
        """
        weights = self.sure * self.has_depth
        weights = weights / weights.sum()
        off = away - self.depth
        off, steps = off - weights @ off, steps - weights @ steps
        sure = DEPTH_TRUST * self.sure * self.has_depth
        trust = sure / (1 + off**2 / DEPTH_OUTLIER**2) ** 2
        cost = float((sure * off**2 / (1 + off**2 / DEPTH_OUTLIER**2)).sum())
        return steps.T @ (trust[:, None] * steps), steps.T @ (trust * off), cost

    def _with_priors(
        self, normal: np.ndarray, gradient: np.ndarray, cost: float, turns: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float]:
        now = np.deg2rad(turns[self.joints])
        low, high = np.deg2rad(np.moveaxis(self.body.limits[self.joints], -1, 0))
        beyond = np.maximum(now - high, 0) + np.minimum(now - low, 0)
        unlikely = now - np.deg2rad(self.likely[self.joints])
        usual = self.trust_in_priors / self.stiff[:, None] ** 2 * np.ones_like(now)
        usual[self.joints == 0] = 0
        limiting = np.where(beyond != 0, 1 / LIMIT**2, 0)
        diagonal, slope = (usual + limiting).reshape(-1), (usual * unlikely + limiting * beyond).reshape(-1)
        index = np.arange(len(slope))
        normal[index, index] += diagonal
        gradient[index] += slope
        # What was up at rest, seen from above: turning about it leaves it where it is.
        root = rotations(self.body, turns)[0]
        lean, by = root[:2, 2] / LEAN, np.stack([-root[:2, 1], root[:2, 0], np.zeros(2)], 1) / LEAN
        normal[:3, :3] += by.T @ by
        gradient[:3] += by.T @ lean
        cost += float((usual * unlikely**2).sum() + (limiting * beyond**2).sum() + (lean**2).sum())
        return normal, gradient, cost


def _is_free(name: str, left_hand: bool, right_hand: bool) -> bool:
    """Whether a joint is searched for: a hand's only where its points are there."""
    if name.endswith("toes"):
        return False
    in_hand = any(word in name for word in ("finger", "thumb", "wrist", "forearm"))
    return not in_hand or (left_hand if name.startswith("left") else right_hand)


def _stiffness(name: str) -> float:
    if "finger" in name or "thumb" in name:
        return FINGER_LIKELY
    return STIFF.get(name.removeprefix("left ").removeprefix("right "), LIKELY)
