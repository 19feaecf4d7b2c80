"""Feet, hands and faces: read from every form, kept, retargeted, drawn."""

import numpy as np
import pytest
import torch
from mannequin.nodes.pose import PARTS, WITH_FACE, MannequinDrawPose, MannequinRetargetPose
from mannequin.preprocessors.body.mannequin import mannequins
from mannequin.preprocessors.body.points import frames
from mannequin.preprocessors.keypoints import from_pose_keypoint, to_pose_keypoint
from mannequin.preprocessors.pose_parts import ARRAYS, FACE, FEET, LEFT_HAND, RIGHT_HAND
from mannequin.preprocessors.skeleton import FINGER_COLOURS

SIZE = 512
#: A body that stands upright, in shares of the picture; OpenPose's order.
BODY = [
    *((0.5, 0.1), (0.5, 0.2), (0.4, 0.2), (0.35, 0.35), (0.3, 0.5), (0.6, 0.2), (0.65, 0.35), (0.7, 0.5)),
    *((0.45, 0.5), (0.45, 0.7), (0.45, 0.9), (0.55, 0.5), (0.55, 0.7), (0.55, 0.9)),
    *((0.48, 0.08), (0.52, 0.08), (0.46, 0.09), (0.54, 0.09)),
]

#: Arrays of what the choices name.
NAMED = {
    "feet": ("foot_keypoints_2d",),
    "hands": ("hand_left_keypoints_2d", "hand_right_keypoints_2d"),
    "face": ("face_keypoints_2d",),
}


def points(seed: int, count: int, size: int = SIZE) -> torch.Tensor:
    """``[count, 3]``, in whole pixels off the border, all seen."""
    drawn = torch.randint(20, size - 20, (count, 2), generator=torch.Generator().manual_seed(seed)).float()
    return torch.cat([drawn, torch.ones(count, 1)], 1)


def body(size: int = SIZE) -> torch.Tensor:
    return torch.cat([torch.tensor(BODY) * size, torch.ones(18, 1)], 1)


def pose(parts: dict[str, torch.Tensor], own: torch.Tensor | None = None, size: int = SIZE) -> list[dict]:
    """Somebody with these arrays."""
    person = {"pose_keypoints_2d": (body(size) if own is None else own).flatten().tolist()}
    person |= {name: value.flatten().tolist() for name, value in parts.items()}
    return [{"people": [person], "canvas_width": size, "canvas_height": size}]


def everything(size: int = SIZE) -> dict[str, torch.Tensor]:
    return {name: points(number, part.stop - part.start, size) for number, (name, part) in enumerate(ARRAYS.items())}


class TestReading:
    def test_arrays_of_their_own(self):
        (frame,) = from_pose_keypoint(pose(everything()))
        for name, part in ARRAYS.items():
            assert torch.equal(frame.parts[0, part], everything()[name]), name

    def test_fractions(self):
        shares = {name: value / torch.tensor([SIZE, SIZE, 1.0]) for name, value in everything().items()}
        (frame,) = from_pose_keypoint(pose(shares, body() / torch.tensor([SIZE, SIZE, 1.0])))
        (pixels,) = from_pose_keypoint(pose(everything()))
        assert torch.allclose(frame.parts, pixels.parts, atol=1e-3)

    def test_a_face_of_68_points_has_no_pupils(self):
        face = points(9, 68)
        (frame,) = from_pose_keypoint(pose({"face_keypoints_2d": face}))
        assert torch.equal(frame.parts[0, FACE][:68], face) and not frame.parts[0, FACE][68:].any()

    def test_feet_of_body_25(self):
        array = torch.zeros(25, 3)
        array[19:] = points(3, 6)
        array[1] = torch.tensor([100.0, 100, 1])
        (frame,) = from_pose_keypoint(pose({}, array))
        assert torch.equal(frame.parts[0, FEET], array[19:])
        assert not frame.parts[0, FEET.stop :].any()

    def test_everything_of_coco_wholebody(self):
        array = points(4, 133)
        (frame,) = from_pose_keypoint(pose({}, array))
        wanted = ((FEET, 17), (LEFT_HAND, 91), (RIGHT_HAND, 112))
        for part, begin in wanted:
            assert torch.equal(frame.parts[0, part], array[begin : begin + part.stop - part.start])
        assert torch.equal(frame.parts[0, FACE][:68], array[23:91])

    def test_an_array_of_its_own_goes_before_the_bodys(self):
        hand = points(5, 21)
        (frame,) = from_pose_keypoint(pose({"hand_left_keypoints_2d": hand}, points(4, 133)))
        assert torch.equal(frame.parts[0, LEFT_HAND], hand)

    @pytest.mark.parametrize("values", [None, [], [1.0, 2.0], "abc", [[1, 2]], [float("nan")] * 63, [None] * 63])
    def test_what_is_no_part_is_not_seen(self, values):
        broken = pose({})
        broken[0]["people"][0]["hand_left_keypoints_2d"] = values
        assert not from_pose_keypoint(broken)[0].parts.any()

    def test_uncertain_points_are_not_seen(self):
        hand = points(5, 21)
        hand[3, 2] = 0.2
        (frame,) = from_pose_keypoint(pose({"hand_left_keypoints_2d": hand}))
        assert not frame.parts[0, LEFT_HAND][3].any() and frame.parts[0, LEFT_HAND][4].any()


class TestWriting:
    def test_what_was_read_is_written(self):
        (written,) = to_pose_keypoint(from_pose_keypoint(pose(everything())))
        assert written == pose(everything())[0]

    def test_readers_find_hands_and_a_face_that_nobody_saw(self):
        """And no feet, which few readers know."""
        (person,) = to_pose_keypoint(from_pose_keypoint(pose({})))[0]["people"]
        assert person["face_keypoints_2d"] == [0.0] * 210 and person["hand_left_keypoints_2d"] == [0.0] * 63
        assert "foot_keypoints_2d" not in person


class TestRetargeting:
    def moved(self, fit: str, limbs: str, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        retargeted = MannequinRetargetPose.execute(pose(everything()), pose({}, source), fit, limbs)[0]
        (frame,) = from_pose_keypoint(retargeted)
        return frame.people[0], frame.parts[0]

    def test_parts_go_where_the_body_goes(self):
        """Half as large, on the same feet: what holds for the body's points holds for theirs."""
        half = body() * torch.tensor([0.5, 0.5, 1]) + torch.tensor([100.0, 200, 0])
        own, parts = self.moved("height and place", "target", half)
        assert torch.allclose(own, half, atol=0.1)
        expected = torch.cat(list(everything().values())) * torch.tensor([0.5, 0.5, 1]) + torch.tensor([100.0, 200, 0])
        assert torch.allclose(parts, expected, atol=0.1)

    def test_parts_hang_on_their_joints_when_limbs_change(self):
        source = body()
        source[3, 0] -= 40
        source[4, 0] -= 80  # A longer right arm.
        own, parts = self.moved("none", "source", source)
        plain = torch.cat(list(everything().values()))
        for part, joint in ((RIGHT_HAND, 4), (LEFT_HAND, 7), (FACE, 0), (slice(0, 3), 13), (slice(3, 6), 10)):
            shift = own[joint, :2] - body()[joint, :2]
            assert torch.allclose(parts[part, :2], plain[part, :2] + shift, atol=0.1)
        assert (own[4, :2] - body()[4, :2]).norm() > 10, "the arm did change"

    def test_size_and_place_are_the_bodys_alone(self):
        """Whoever looked for hands is not larger by them."""
        far = {"hand_left_keypoints_2d": points(0, 21) + torch.tensor([2000.0, 0, 0])}
        source = body() * torch.tensor([0.7, 0.7, 1])
        with_hands, without = (
            from_pose_keypoint(MannequinRetargetPose.execute(pose(parts), pose({}, source), fit, "source")[0])[0]
            for fit in ("height and place",)
            for parts in (far, {})
        )
        assert torch.equal(with_hands.people, without.people)


def drawn(poses: list[dict], parts: str = WITH_FACE) -> torch.Tensor:
    return (MannequinDrawPose.execute(poses, SIZE, SIZE, parts=parts)[0][0] * 255).round()


class TestDrawing:
    def test_a_finger_its_points_and_the_face(self):
        hand, face, nobody = torch.zeros(21, 3), torch.zeros(70, 3), torch.zeros(18, 3)
        nobody[0] = torch.tensor([30.0, 30, 1])
        hand[5], hand[6] = torch.tensor([100.0, 200, 1]), torch.tensor([180.0, 200, 1])
        face[10] = torch.tensor([300.0, 400, 1])
        picture = drawn(pose({"hand_right_keypoints_2d": hand, "face_keypoints_2d": face}, nobody))
        bone = list(FINGER_COLOURS[5])
        assert picture[200, 140].tolist() == bone and picture[200, 100].tolist() == [0, 0, 255]
        assert picture[400, 300].tolist() == [255, 255, 255]
        line = picture[:, 140].sum(-1) / sum(bone)
        disc = (picture[300:, 200:].sum(-1) / 765).sum()
        assert float(line.sum()) == pytest.approx(2, abs=0.6), "two pixels wide at 512"
        assert float(disc) == pytest.approx(np.pi * 3**2, rel=0.25), "of radius 3 at 512"

    def test_feet_hang_on_the_ankles_in_body_25s_colours(self):
        feet = torch.zeros(6, 3)
        feet[0], feet[5] = torch.tensor([400.0, 480, 1]), torch.tensor([100.0, 480, 1])
        alone = torch.zeros(18, 3)
        alone[10], alone[13] = torch.tensor([200.0, 440, 1]), torch.tensor([300.0, 440, 1])
        picture = drawn(pose({"foot_keypoints_2d": feet}, alone), "body, feet, hands, face")
        assert picture[480, 400].tolist() == [0, 0, 255] and picture[480, 100].tolist() == [0, 255, 255]
        assert picture[460, 350].tolist() == [0, 0, 153], "from the left ankle to the big toe"
        assert picture[460, 150].tolist() == [0, 153, 153], "from the right ankle to the heel"

    def test_each_choice_draws_what_it_says(self):
        full, bare = pose(everything()), pose({})
        only = {name: pose({array: everything()[array] for array in arrays}) for name, arrays in NAMED.items()}
        for choice, names in PARTS.items():
            kept = pose({array: everything()[array] for name in names for array in NAMED[name]})
            assert torch.equal(drawn(full, choice), drawn(kept, "body, feet, hands, face")), choice
        assert torch.equal(drawn(full, "body"), drawn(bare))
        pictures = [drawn(one, "body, feet, hands, face") for one in only.values()]
        assert all(not torch.equal(picture, drawn(bare)) for picture in pictures)

    def test_the_mannequins_hands_and_face_are_drawn(self):
        """Where its own fingertips are."""
        made = mannequins("", (SIZE, SIZE))
        (frame,) = frames(made.pictures)
        picture = drawn(to_pose_keypoint([frame]))
        tips = frame.parts[0, LEFT_HAND][[8, 12, 16]]
        assert (tips[:, 2] > 0).all()
        for x, y, _ in tips.tolist():
            assert picture[int(y), int(x), 2] > 200
