"""From a scene's JSON, and people of a POSE_KEYPOINT where there are some, to pictures of mannequins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConditionError
from ..keypoints import Frame, from_pose_keypoint
from ..people import OnNoPerson
from .camera import Camera
from .everyone import Everyone, fit_everyone
from .fitting import camera_for
from .model import BODY, RIGHT_HAND
from .rendering import Rendering, render
from .scene import MOST_PEOPLE, Scene, read, write


@dataclass(frozen=True, eq=False)
class Mannequins:
    """What came of it.

    Attributes:
        pictures: one a frame.
        text: the first picture's scene as JSON, within the joints' limits.
        report: what is not shown as it was asked for, and how well people were fitted; empty where all is well.
    """

    pictures: list[Rendering]
    text: str
    report: str


def mannequins(
    text: str,
    size: tuple[int, int],
    pose: Any = None,
    on_no_person: OnNoPerson = "error",
    progress: Callable[[], None] = lambda: None,
) -> Mannequins:
    """Draw a scene.

    Args:
        text: JSON, see :mod:`.scene`.
        size: height and width of the pictures.
        pose: a POSE_KEYPOINT whose people the scene's take the poses of, where they are in its canvas; whoever comes
            after the scene's last is as its last. None draws the scene as it is.
        on_no_person: a frame shows nobody, or someone shows too little to be fitted: raise, or leave them out.
        progress: called after every person that is fitted, and after every picture; see :func:`steps_of`.

    Raises:
        ConditionError: the text or the pose is not what it should be, or what the option asks for.
    """
    scene = read(text)
    if pose is None:
        people = [figure.person() for figure in scene.figures]
        camera = scene.camera_of(people, size)
        picture = render(people, camera)
        progress()
        angles = {name: scene.camera[name] for name in ("yaw", "pitch", "roll") if name in scene.camera}
        written = write(scene.figures, [one.posed for one in people], camera, **angles)
        return Mannequins([picture], written, "\n".join(scene.said))
    if not scene.figures:
        raise ConditionError('The mannequin\'s text has nobody to take the pose: write "people": [{}], or empty it.')
    pictures, said, written = [], list(scene.said), ""
    for number, frame in enumerate(from_pose_keypoint(pose), 1):
        made, camera = _fitted(scene, frame, size, on_no_person, f"Picture {number}", progress)
        said += made.said
        pictures.append(render(made.people, camera))
        written = written or write(made.figures, [one.posed for one in made.people], camera)
        progress()
    return Mannequins(pictures, written, "\n".join(said))


def steps_of(pose: Any) -> int:
    """How often :func:`mannequins` tells of its progress.

    Raises:
        ConditionError: it is no POSE_KEYPOINT.
    """
    if pose is None:
        return 1
    return sum(1 + int((frame.points[:, BODY, 2] > 0).any(1).sum()) for frame in from_pose_keypoint(pose))


def _fitted(
    scene: Scene,
    frame: Frame,
    size: tuple[int, int],
    on_no_person: OnNoPerson,
    where: str,
    progress: Callable[[], None],
) -> tuple[Everyone, Camera]:
    """One frame's people, and the camera."""
    if len(frame.people) > MOST_PEOPLE:
        raise ConditionError(f"{where} of the pose has {len(frame.people)} people; up to {MOST_PEOPLE} are drawn.")
    points = frame.points[:, : RIGHT_HAND.stop].double().numpy()
    points[..., :2] *= np.array([size[1] / frame.width, size[0] / frame.height])
    points = points[(points[:, BODY, 2] > 0).any(1)]
    if not len(points) and on_no_person == "error":
        raise ConditionError(f"{where} of the pose shows nobody. Take another pose, or set on_no_person to 'skip'.")
    camera = camera_for(scene.figures[0].shaped(), points[:, BODY], size)
    names = [f"{where}, person {number}" for number in range(1, len(points) + 1)]
    return fit_everyone(scene, points, camera, names, on_no_person, progress=progress), camera
