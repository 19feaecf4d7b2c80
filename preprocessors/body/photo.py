"""Bodies of the people in a photo: posed by their keypoints and depths, shaped and dressed by their outlines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from ..blazepose import Person as Seen
from ..detected_parts import FEET_FROM_BLAZEPOSE, detected_parts
from ..errors import ConditionError
from ..keypoints import FROM_BLAZEPOSE, from_blazepose
from ..people import OnNoPerson, OnSeveral, people_of
from .camera import Camera
from .everyone import Everyone, fit_everyone
from .fitting import Fit, camera_for, fit
from .model import BODY, FEET, RIGHT_HAND
from .outline import outlined
from .pose import Posed
from .rendering import Rendering, render
from .scene import MOST_PEOPLE, Figure, Scene, write

#: Keypoints less visible than this are not used.
VISIBLE = 0.5
#: From this overlap of the outlines on a body fits well, and from that on roughly.
WELL, ROUGHLY = 0.85, 0.7


@dataclass(frozen=True, eq=False)
class FittedPhotos:
    """What came of it.

    Attributes:
        pictures: one a photo.
        text: the first photo's people as a scene's JSON.
        report: how sure everyone's fit is, a line each.
    """

    pictures: list[Rendering]
    text: str
    report: str


def fit_photos(
    image: Tensor,
    scene: Scene,
    shaped: bool = True,
    masks: Tensor | None = None,
    on_no_person: OnNoPerson = "error",
    on_several: OnSeveral = "all",
    person: int = 1,
    progress: Callable[[], None] = lambda: None,
    watch: Callable[[], None] = lambda: None,
) -> FittedPhotos:
    """Fit a mannequin to everyone who counts in an IMAGE ``[B, H, W, C]`` in 0–1.

    Args:
        scene: whose figures are begun with; whoever comes after its last is as its last.
        shaped: change shape and clothes by the outline; False leaves them as the scene has them.
        masks: where the person is, ``[1 or B, H, W]`` in 0–1, for photos of one; None takes BlazePose's.
        on_no_person: nobody is there, or shows too little to be fitted: raise, or leave them out.
        progress: called after every photo.
        watch: called after every person, who take seconds each; it may raise.

    Raises:
        ConditionError: what the options ask for, no proper image, masks of another size, or a scene without people.
    """
    if not scene.figures:
        raise ConditionError('The mannequin\'s text has nobody to be fitted: write "people": [{}], or empty it.')
    if masks is not None and (masks.shape[0] not in (1, len(image)) or masks.shape[1:] != image.shape[1:3]):
        raise ConditionError(
            f"The mask has shape {tuple(masks.shape)} and the photos {tuple(image.shape[:3])}; a mask of the photos' "
            "size is needed, one for all or one for each."
        )
    pictures, said, written = [], [], ""
    for number, (picture, people) in enumerate(people_of(image, on_no_person, on_several, progress, person)):
        where = f"Photo {number + 1}" if len(image) > 1 else ""
        if len(people) > MOST_PEOPLE:
            raise ConditionError(f"{where or 'The photo'} shows {len(people)} people; up to {MOST_PEOPLE} are fitted.")
        if masks is not None and len(people) > 1:
            raise ConditionError(
                f"The mask is of one person, and {len(people)} people count. Set on_several to 'largest', or leave the "
                "mask out: everybody's own is known."
            )
        mask = None if masks is None else masks[number % len(masks)]
        made, camera = _fitted(picture, people, scene, shaped, mask, on_no_person, where, watch)
        said += made.said
        pictures.append(render(made.people, camera))
        written = written or write(made.figures, [one.posed for one in made.people], camera)
    return FittedPhotos(pictures, written, "\n".join(said))


def _fitted(
    picture: Tensor,
    people: Sequence[Seen],
    scene: Scene,
    shaped: bool,
    mask: Tensor | None,
    on_no_person: OnNoPerson,
    where: str,
    watch: Callable[[], None],
) -> tuple[Everyone, Camera]:
    """One photo's people, and the camera."""
    points, depths = seen_points(picture, people)
    camera = camera_for(scene.figures[0].shaped(), points[:, BODY], tuple(picture.shape[:2]))
    names = [", ".join(filter(None, [where, f"person {number + 1}"])).capitalize() for number in range(len(people))]

    def refined(number: int, figure: Figure, found: Fit) -> tuple[Figure, Posed, str]:
        def refitted(other: Figure, near: Posed) -> Posed:
            return fit(other.shaped(), points[number], camera, depths[number], near).posed

        shown = (people[number].mask if mask is None else mask) > 0.5
        best = outlined(figure, found.posed, shown.numpy(), camera, refitted, shaped)
        return best.figure, best.posed, _of_outline(best.overlap)

    return fit_everyone(scene, points, camera, names, on_no_person, depths, refined, watch), camera


def _of_outline(overlap: float) -> str:
    sure = "well" if overlap >= WELL else "roughly" if overlap >= ROUGHLY else "badly: look at the overlay"
    return f"Its outline covers {overlap:.0%} of both; that fits {sure}."


def seen_points(picture: Tensor, people: Sequence[Seen]) -> tuple[np.ndarray, np.ndarray]:
    """Points of everyone as :func:`.fitting.fit` takes them: ``[people, K, 3]`` and their depths ``[people, K]``."""
    height, width = picture.shape[:2]
    frame = from_blazepose(people, width, height, VISIBLE)
    if people:
        frame = replace(frame, parts=detected_parts(picture, people, VISIBLE, ("feet", "hands")))
    return frame.points[:, : RIGHT_HAND.stop].double().numpy(), _depths(people)


def _depths(people: Sequence[Seen]) -> np.ndarray:
    """Metres behind the hips, NaN for what BlazePose knows nothing of, ``[people, K]``."""
    depths = np.full((len(people), RIGHT_HAND.stop), np.nan)
    for own, person in zip(depths, people, strict=True):
        known = person.depths.double().numpy()
        for part, landmarks in ((BODY, FROM_BLAZEPOSE), (FEET, FEET_FROM_BLAZEPOSE)):
            own[part] = [np.nan if landmark is None else known[landmark] for landmark in landmarks]
    return depths
