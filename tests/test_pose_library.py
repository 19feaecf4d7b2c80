"""The library of poses: what is in it, mirrored, as a node, as pictures."""

import json

import numpy as np
import pytest
from mannequin.nodes.pose_library import ALL, MannequinPoseLibrary, choices
from mannequin.preprocessors.body.library import library, names, person
from mannequin.preprocessors.body.scene import lowest, read
from PIL import Image

from devtools import pose_thumbnails

#: OpenPose's 18 with left and right exchanged.
MIRRORED = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]


def posed(someone: dict):
    return read(json.dumps({"people": [someone]})).figures[0].person().posed


def body_points(someone: dict) -> np.ndarray:
    """From the hips on."""
    there = posed(someone)
    return there.points()[:18] - there.origin


def test_there_are_enough_in_every_category():
    assert list(library()) == ["Standing", "Walking", "Sitting", "Fashion", "Sport", "Hands"]
    assert len(names()) == len(set(names())) >= 60 and min(map(len, library().values())) >= 8


@pytest.mark.parametrize("category", library())
def test_nobody_is_asked_for_what_no_joint_can_do(category):
    people = [person(f"{category}: {name}") for name in library()[category]]
    assert not read(json.dumps({"people": people[:16]})).said + read(json.dumps({"people": people[16:]})).said


@pytest.mark.parametrize("category", library())
def test_no_two_are_the_same(category):
    there = [posed(person(f"{category}: {name}")) for name in library()[category]]
    found = [one.points() - one.origin for one in there]
    for number, one in enumerate(found):
        assert all(np.abs(one - other).max() > 0.03 for other in found[:number])


@pytest.mark.parametrize("name", names())
def test_mirrored_is_the_mirror_image(name):
    plain, mirrored = (body_points(person(name, mirror)) for mirror in (False, True))
    assert np.abs(mirrored - plain[MIRRORED] * [-1, 1, 1]).max() < 1e-5


def test_turned():
    assert person("Fashion: Profile")["turn"] == 90
    assert person("Fashion: Profile", mirror=True)["turn"] == -90
    assert person("Fashion: From behind", turn=45)["turn"] == -135
    plain, turned = (body_points(person("Hands: Waving", turn=turn)) for turn in (0, 90))
    # To the person's left, who looks along −y: along x then.
    assert np.abs(turned - np.stack([-plain[:, 1], plain[:, 0], plain[:, 2]], 1)).max() < 1e-5


def test_they_stand_on_the_floor():
    for name in ("Sitting: Upright", "Sport: Push-up", "Fashion: Lying on the side"):
        assert lowest(posed(person(name))) == pytest.approx(0, abs=1e-6)


class TestNode:
    def run(self, pose: str, mirror: bool = False, turn: float = 0.0) -> list[str]:
        return MannequinPoseLibrary.execute(pose, mirror, turn)[0]

    def test_one(self):
        (text,) = self.run("Sitting: Upright", turn=20)
        assert json.loads(text)["people"] == [person("Sitting: Upright", turn=20)]

    def test_a_whole_category(self):
        texts = self.run(f"Sport: {ALL}", mirror=True)
        assert [json.loads(text)["people"] for text in texts] == [
            [person(f"Sport: {name}", True)] for name in library()["Sport"]
        ]

    def test_what_can_be_chosen(self):
        assert choices()[: len(names())] == names() and len(choices()) == len(names()) + len(library())
        for pose in choices():
            assert all(read(text).figures for text in self.run(pose))


class TestPictures:
    def test_there_is_one_of_each(self):
        width, height, columns = pose_thumbnails.WIDTH, pose_thumbnails.HEIGHT, pose_thumbnails.COLUMNS
        with Image.open(pose_thumbnails.FILE) as sheet:
            assert sheet.size == (width * columns, height * -(-len(names()) // columns))

    @pytest.mark.parametrize("number", [0, 17, 40, len(names()) - 1])
    def test_it_is_of_that_pose(self, number):
        """As drawn now, but for what JPEG makes of it."""
        width, height = pose_thumbnails.WIDTH, pose_thumbnails.HEIGHT
        row, column = divmod(number, pose_thumbnails.COLUMNS)
        with Image.open(pose_thumbnails.FILE) as sheet:
            there = sheet.crop((column * width, row * height, (column + 1) * width, (row + 1) * height))
        drawn = np.asarray(pose_thumbnails.picture(names()[number]), float)
        assert np.abs(np.asarray(there, float) - drawn).mean() < 4
