"""Small data sets for tests of training: noise, or coloured people, with every condition."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from training.data.records import Pair, Record, from_text
from training.data.store import begin, files_of, left_to_do

HEIGHT, WIDTH, REGION_DIM, FACE_DIM, DINO_DIM = 64, 48, 16, 32, 24


class NoisePeople:
    """``count`` people, two pictures each, of nothing: every field there is, in its shape and range.

    ``channels`` are the latents'.
    """

    def __init__(
        self, count: int = 4, seed: int = 0, size: tuple[int, int] = (HEIGHT, WIDTH), channels: int = 4
    ) -> None:
        self.size, self.seed, self.channels = size, seed, channels
        self.names = [f"p{person}-v{view}" for person in range(count) for view in range(2)]
        self.pairs = [
            Pair(f"p{person}-v{view}", f"p{person}-v{1 - view}") for person in range(count) for view in range(2)
        ]

    def record(self, name: str) -> Record:
        height, width = self.size
        draw = np.random.default_rng([self.seed, self.names.index(name)])
        parsing = np.zeros((height, width), np.uint8)
        parsing[8:24, 8:40], parsing[24:56, 12:36] = 5, 9
        iuv = draw.integers(0, 256, (height, width, 3)).astype(np.uint8)
        iuv[..., 0] = np.where(parsing == 5, 24, np.where(parsing > 0, 2, 0))
        keypoints = np.concatenate([draw.uniform(4, 44, (18, 2)), np.ones((18, 1))], 1).astype(np.float32)
        latent = (self.channels, height // 8, width // 8)
        fields = {
            "parsing": parsing,
            "iuv": iuv,
            "keypoints": keypoints,
            "latent": draw.standard_normal(latent).astype(np.float32),
            "texture_latent": draw.standard_normal((self.channels, 8, 8)).astype(np.float32),
            "regions": draw.standard_normal((20, REGION_DIM)).astype(np.float32),
            "texture": np.kron(draw.integers(0, 256, (32, 32, 3)), np.ones((16, 16, 1))).astype(np.uint8),
            "clip": draw.standard_normal(REGION_DIM).astype(np.float32),
            "texture_clip": draw.standard_normal(REGION_DIM).astype(np.float32),
            "face": draw.standard_normal(FACE_DIM).astype(np.float32),
            "dino": draw.standard_normal((257, DINO_DIM)).astype(np.float16),
            "joint_latent": draw.standard_normal((*latent[:2], 2 * latent[2])).astype(np.float32),
            "pose_latent": draw.standard_normal(latent).astype(np.float32),
            "coarse_latent": draw.standard_normal(latent).astype(np.float32),
        }
        image = draw.integers(0, 256, (height, width, 3)).astype(np.uint8)
        four_tiles = (latent[0], 2 * latent[1], 2 * latent[2])
        fields |= {
            name: draw.standard_normal(four_tiles).astype(np.float32) for name in ("views_latent", "large_latent")
        }
        return Record(name, name.split("-")[0], name.split("-")[0], image, fields)


class NoiseViews(NoisePeople):
    """One outfit in four views: every source has three targets."""

    def __init__(self, **options) -> None:
        super().__init__(2, **options)
        self.pairs = [Pair(one, other) for one in self.names for other in self.names if one != other]


class SpokenPeople(NoisePeople):
    """Pictures of nothing with two people's poses each, in words, paired with themselves."""

    def __init__(self, count: int = 4) -> None:
        super().__init__(count)
        self.pairs = [Pair(name, name) for name in self.names]

    def record(self, name: str) -> Record:
        record = super().record(name)
        people = np.stack([record.fields["keypoints"], np.roll(record.fields["keypoints"], 1, 0)])
        spoken = {"people": people, "caption": from_text(f"somebody {name}")}
        return replace(record, fields=record.fields | spoken)


def store(people: NoisePeople, folder: Path) -> Path:
    """The people as ``training.preprocess`` would have stored them."""
    begin(folder, people, {}, "shards", unit=4)
    files = files_of(folder, "shards")
    for unit in left_to_do(folder, people.names, "shards", 4):
        files.write(unit.number, [people.record(name) for name in unit.names])
    return folder
