"""People whose joints are coloured dots: what a pose estimator can learn in a minute."""

import numpy as np

from training.data.records import Pair, Record

HEIGHT, WIDTH = 64, 48
#: OpenPose's joints of someone who stands, as shares of the picture's width and height.
STANDING = np.array(
    [
        (0.50, 0.16), (0.50, 0.28), (0.36, 0.28), (0.27, 0.42), (0.24, 0.54), (0.64, 0.28), (0.73, 0.42), (0.76, 0.54),
        (0.42, 0.56), (0.41, 0.73), (0.40, 0.90), (0.58, 0.56), (0.59, 0.73), (0.60, 0.90), (0.46, 0.12), (0.54, 0.12),
        (0.40, 0.15), (0.60, 0.15),
    ]
)  # fmt: skip


class DottedPeople:
    """``count`` people, two pictures each: dots of the joints' own colours on grey, each somewhere near its place."""

    def __init__(self, count: int = 4, seed: int = 0) -> None:
        self.seed = seed
        self.names = [f"p{person}-v{view}" for person in range(count) for view in range(2)]
        self.pairs = [Pair(name, f"{name[:-1]}{1 - int(name[-1])}") for name in self.names]

    def record(self, name: str) -> Record:
        draw = np.random.default_rng([self.seed, self.names.index(name)])
        places = (STANDING + draw.uniform(-0.06, 0.06, STANDING.shape)) * (WIDTH, HEIGHT)
        places[1] = places[[2, 5]].mean(0)
        lines, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
        image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        parsing = np.zeros((HEIGHT, WIDTH), np.uint8)
        colours = np.random.default_rng(7).integers(0, 2, (18, 3)) * 165 + 45
        for (x, y), colour in zip(places, colours, strict=True):
            near = (columns - x) ** 2 + (lines - y) ** 2 <= 2.5**2
            image[near], parsing[near] = colour, 5
        keypoints = np.concatenate([places, np.ones((18, 1))], 1).astype(np.float32)
        return Record(name, name.split("-")[0], "dots", image, {"keypoints": keypoints, "parsing": parsing})
