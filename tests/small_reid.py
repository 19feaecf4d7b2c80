"""People in two colours each whom cameras of different casts watch, and the smallest BoT: what tests of reid share."""

import itertools

import numpy as np

from training.reid.bot import BotOptions
from training.reid.pictures import Pictures

SIZE = (32, 16)
SMALL = BotOptions(network="small:8", size=SIZE, people=4, epochs=3, warmup=1, decays=(2,))


def coloured(people: int, cameras: int, views: int, first: int = 0, seed: int = 0) -> Pictures:
    """People in two colours each, above and below, before noise, seen by cameras of different colour casts."""
    names, images, whose, seen_by = [], [], [], []
    for person in range(first, first + people):
        clothes = np.random.default_rng([9, person]).choice([20, 120, 220], (2, 3))
        for camera, view in itertools.product(range(cameras), range(views)):
            draw = np.random.default_rng([seed, person, camera, view])
            picture = draw.integers(60, 196, (*SIZE, 3)).astype(float)
            left = int(draw.integers(2, 6))
            picture[3:15, left : left + 9], picture[15:30, left : left + 9] = clothes
            picture = picture * ((1, 1, 1), (1.15, 0.75, 0.45))[camera] + draw.normal(0, 6, picture.shape)
            names.append(f"p{person}-c{camera + 1}-v{view}")
            images.append(picture.clip(0, 255).astype(np.uint8))
            whose.append(f"p{person}")
            seen_by.append(camera + 1)
    return Pictures(names, np.stack(images), whose, seen_by)
