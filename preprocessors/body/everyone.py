"""Bodies of everyone in a picture, as far as their points tell a pose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import ConditionError
from ..people import OnNoPerson
from .camera import Camera
from .fitting import Fit, fit
from .pose import Posed
from .rendering import Person
from .scene import Figure, Scene

#: Of somebody by their number, their figure and its fit: the figure and pose that are taken, and what is said of them.
Refining = Callable[[int, Figure, Fit], tuple[Figure, Posed, str]]


@dataclass(frozen=True, eq=False)
class Everyone:
    """Who was fitted.

    Attributes:
        figures, people: a figure and a posed body for each.
        said: a sentence for each, and for whoever is left out.
    """

    figures: list[Figure] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def fit_everyone(
    scene: Scene,
    points: np.ndarray,
    camera: Camera,
    names: Sequence[str],
    on_no_person: OnNoPerson,
    depths: np.ndarray | None = None,
    refined: Refining = lambda number, figure, found: (figure, found.posed, ""),
    progress: Callable[[], None] = lambda: None,
) -> Everyone:
    """Fit a scene's figures to people; whoever comes after its last is as its last.

    Args:
        points: as :func:`.fitting.fit` takes them, ``[people, K, 3]``.
        names: what people are called in sentences.
        on_no_person: someone shows too little to be fitted: raise, or leave them out.
        depths: of the points, ``[people, K]``.
        progress: called after every person.

    Raises:
        ConditionError: what the option asks for.
    """
    made = Everyone()
    for number, (own, who) in enumerate(zip(points, names, strict=True)):
        figure = scene.figures[min(number, len(scene.figures) - 1)]
        try:
            found = fit(figure.shaped(), own, camera, None if depths is None else depths[number])
        except ConditionError as error:
            if on_no_person == "error":
                raise ConditionError(f"{who}: {error}") from error
            made.said.append(f"{who} is left out: {error}")
        else:
            figure, posed, more = refined(number, figure, found)
            made.said.append(" ".join(filter(None, [found.sentence(who, camera.scale), more])))
            made.figures.append(figure)
            made.people.append(figure.person(posed))
        progress()
    return made
