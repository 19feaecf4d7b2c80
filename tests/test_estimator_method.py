"""Training of a pose estimator: what it is shown, what it is taught, and that the nodes find people with its file."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from dotted_people import DottedPeople
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.weight_kinds.higherhrnet import HIGHERHRNET
from mannequin.nodes.pose_estimator import MannequinEstimatePose
from mannequin.preprocessors.keypoints import from_pose_keypoint, to_coco_17
from safetensors import safe_open
from safetensors.torch import load_file
from small_methods import OPTIONS, recipe
from test_training_loop import losses
from training_people import NoisePeople

from model_patches.networks.higherhrnet import HigherHRNetShape
from preprocessors.skeleton import COLOURS
from training.associative_embedding import heat_maps, tag_errors
from training.crowds import MIRRORED, Crowd, alike_in_groups, gathered
from training.draws import Draws
from training.evaluation.people_metric import load_people_metric
from training.loop import Run
from training.methods.estimator import Estimator, EstimatorOptions
from training.recipe import Optimiser, read_recipe
from training.release import release
from training.sampling import load_method, read_pairs

SHAPE = HigherHRNetShape((8, 8, 8, 8), 8, stem=8, first=1, modules=(1, 1, 1), blocks=1, last=1)
STILL = Crowd((64, 64), 1, (1.0, 1.0), 0.0)

pytestmark = pytest.mark.usefixtures("with_gradients")


def dots(*places: tuple[int, int], size: int = 48) -> torch.Tensor:
    """Pictures ``[B, 3, size, size]`` with a white square of 3 × 3 pixels around each place, x and y."""
    pictures = torch.zeros(len(places), 3, size, size)
    for picture, (x, y) in zip(pictures, places, strict=True):
        picture[:, y - 1 : y + 2, x - 1 : x + 2] = 1
    return pictures


def one_joint(joint: int, *places: tuple[int, int]) -> torch.Tensor:
    joints = torch.zeros(len(places), 17, 3)
    joints[:, joint] = torch.tensor([(x + 0.5, y + 0.5, 1) for x, y in places])
    return joints


class TestCrowds:
    def test_joints_go_where_the_picture_goes(self):
        """And the left shoulder of whoever is mirrored is a right one."""
        places = [(10, 30), (40, 20), (24, 24), (30, 12), (18, 40), (35, 35), (12, 12), (28, 28)]
        pictures = dots(*places)
        canvases = gathered(pictures, pictures[:, :1], one_joint(5, *places), Crowd((64, 96), 1), Draws(0, range(8), 0))
        assert canvases.pictures.shape == (8, 3, 64, 96) and canvases.people.shape == (8, 1, 17, 3)
        plain = gathered(
            pictures, pictures[:, :1], one_joint(5, *places), Crowd((64, 96), 1, jitter=0), Draws(0, range(8), 0)
        )
        seen = set()
        for picture, (person,) in zip(plain.pictures, plain.people, strict=True):
            if not person[:, 2].any():
                continue
            (joint,) = person[:, 2].nonzero()[:, 0].tolist()
            seen.add(joint)
            weight = picture[0] / picture[0].sum()
            lines, columns = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(96) + 0.5, indexing="ij")
            middle = [(weight * columns).sum(), (weight * lines).sum()]
            assert person[joint, :2].tolist() == pytest.approx([float(value) for value in middle], abs=0.6)
        assert seen == {5, 6} and [MIRRORED[MIRRORED[joint]] for joint in range(17)] == list(range(17))
        assert not torch.equal(plain.pictures, canvases.pictures), "colours are changed"

    def test_whoever_stands_in_front_covers_joints(self):
        """A joint of the one behind is known where the canvas still shows their black picture."""
        rows = 16
        pictures = torch.zeros(rows, 3, 48, 48)
        pictures[1::2] = 1
        joints = one_joint(5, *[(24, 24)] * rows)
        crowd = Crowd((64, 64), 2, (0.6, 1.0), 0.0)
        canvases = gathered(pictures, torch.ones(rows, 1, 48, 48), joints, crowd, Draws(0, range(rows), 0))
        covered = []
        for row in range(0, rows, 2):
            behind, front = canvases.people[row]
            if not front[:, 2].any():
                # Alone: nothing of the canvas is white.
                assert behind[:, 2].sum() == 1 and not canvases.pictures[row].any()
                continue
            x, y, _ = gathered_place(joints[row], crowd, Draws(0, range(rows), 0), row)
            white = canvases.pictures[row, 0, int(y), int(x)] > 0.5
            covered.append(bool(white))
            assert bool(behind[:, 2].any()) is not bool(white)
        assert set(covered) == {True, False}

    def test_who_stands_together_follows_the_samples_numbers(self):
        """A batch of four in pairs is two batches of two."""
        people = DottedPeople(2)
        method = Estimator(EstimatorOptions(SHAPE, Crowd((64, 64), 2)), 0)
        batch = read_pairs(method, [(people.record(name),) * 2 for name in people.names])
        whole = method.canvases(batch, Draws(0, range(4), 0))
        halves = [
            method.canvases({key: value[part] for key, value in batch.items()}, Draws(0, numbers, 0))
            for part, numbers in ((slice(0, 2), (0, 1)), (slice(2, 4), (2, 3)))
        ]
        assert torch.equal(whole.pictures, torch.cat([half.pictures for half in halves]))
        assert torch.equal(whole.people, torch.cat([half.people for half in halves]))

    @pytest.mark.parametrize("wrong", [{"size": (100, 128)}, {"people": 0}, {"scale": (1.0, 0.5)}])
    def test_what_cannot_be(self, wrong):
        with pytest.raises(ValueError, match="multiples of 32|At least one person"):
            Crowd(**wrong)


def gathered_place(joints: torch.Tensor, crowd: Crowd, draws: Draws, row: int) -> list[float]:
    """Where the first layer puts a row's only joint: the canvas of that layer alone."""
    rows = len(draws.uniform())
    fresh = Draws(0, range(rows), 0)
    from training.crowds import _Placed

    fresh.integers(crowd.people)
    placed = _Placed.drawn(crowd, fresh)
    moved = placed.moved(joints[None].expand(rows, -1, -1), (48, 48), crowd.size)[row]
    return moved[moved[:, 2] > 0][0].tolist()


class TestWhatIsTaught:
    def test_a_gaussian_around_a_joint(self):
        """At half the size a joint at (5, 9) is in the middle of the third column and the fifth line."""
        people = torch.zeros(1, 2, 17, 3)
        people[0, 0, 3] = torch.tensor([5.0, 9.0, 1.0])
        people[0, 1, 3] = torch.tensor([13.0, 9.0, 1.0])
        (maps,) = heat_maps(people, (16, 16), (8, 8), 1.5)
        assert maps[3, 4, 2] == 1 and maps[3, 4, 6] == 1 and not maps[:3].any()
        near = math.exp(-1 / (2 * 1.5**2))
        assert maps[3, 4, 3].item() == pytest.approx(near) and maps[3, 3, 3].item() == pytest.approx(near**2)
        # Half-way between them the higher one, which is no sum.
        assert maps[3, 4, 4].item() == pytest.approx(near**4)

    def test_tags_by_hand(self):
        """0 and 2 of one, 3 of another: variances 1 and 0, means 1 and 3."""
        tags = torch.zeros(2, 17, 4, 4)
        people = torch.zeros(2, 3, 17, 3)
        for person, joint, (x, y), tag in ((0, 0, (1, 1), 0.0), (0, 5, (3, 3), 2.0), (1, 0, (6, 5), 3.0)):
            people[0, person, joint] = torch.tensor([x, y, 1.0])
            tags[0, joint, y // 2, x // 2] = tag
        people[1, 0, 0] = torch.tensor([1.0, 1.0, 1.0])
        apart, near = tag_errors(tags, people, (8, 8))
        assert apart.tolist() == [0.5, 0]
        assert near.tolist() == pytest.approx([math.exp(-4) / 2, 0])

    def test_drawn_skeletons_stand_in_peoples_places(self):
        """As the field draws them: the left shoulder's limb in its own colour at the left shoulder, in no mirror."""
        crowd, people = Crowd((64, 64), 1, (1.0, 1.0), 0.0), DottedPeople(8)

        def canvases(drawn: float):
            method = Estimator(EstimatorOptions(SHAPE, crowd, drawn=drawn), 0)
            batch = read_pairs(method, [(people.record(name),) * 2 for name in people.names])
            return method.canvases(batch, Draws(0, range(16), 0))

        right, left = (torch.tensor(COLOURS[joint]) / 255 for joint in (2, 5))
        every = canvases(1.0)
        for picture, (person,) in zip(every.pictures, every.people, strict=True):
            for joint, own, other in ((6, right, left), (5, left, right)):
                x, y, known = person[joint].tolist()
                shown = picture[:, int(y), int(x)]
                if known:
                    # Small discs are paler than they were drawn, and no less coloured.
                    assert shown.max() > 0.4 and torch.cosine_similarity(shown, own, 0) > 0.97
                    assert torch.cosine_similarity(shown, other, 0) < 0.93
        some = canvases(0.5)
        alike = (some.pictures == every.pictures).flatten(1).all(1)
        assert 3 < int(alike.sum()) < 13, "the others show people"
        assert not (canvases(0.0).pictures == every.pictures).flatten(1).all(1).any()

    def test_people_of_a_canvas_are_drawn_together(self):
        values = torch.arange(7.0)
        assert alike_in_groups(values, 3).tolist() == [0, 0, 0, 3, 3, 3, 6]

    def test_the_loss_is_of_both_sizes_and_the_tags(self):
        options = OPTIONS["estimator"]
        method = Estimator(options, 0)
        batch = read_pairs(method, [(NoisePeople().record(name),) * 2 for name in NoisePeople().names[:2]])
        draws = [Draws(0, (0, 1), 0) for _ in range(2)]
        terms = {name: float(value.detach()) for name, value in method(batch, draws[0]).items()}
        canvases = method.canvases(batch, draws[1])
        # Nearly nothing is made at first: the errors are those of empty maps.
        for name, side in (("coarse", 16), ("fine", 32)):
            wanted = heat_maps(canvases.people, (64, 64), (side, side), options.sigma)
            assert terms[name] == pytest.approx(float(wanted.square().mean()), rel=0.05)
        together = sum(float((people[:, :, 2].any(1)).sum() > 1) for people in canvases.people)
        assert terms["near"] == pytest.approx(1e-3 * 0.5 * together / 2, rel=0.01)
        assert 0 <= terms["apart"] < 1e-6


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Weights after forty steps on eight people."""
    folder = tmp_path_factory.mktemp("estimator")
    begun = recipe(
        folder,
        "estimator",
        steps=40,
        batch=8,
        options=EstimatorOptions(SHAPE, Crowd((64, 64), 1, (0.9, 1.1), 0.0)),
        optimiser=Optimiser(learning_rate=1e-2, weight_decay=0.0),
        ema=0.0,
        checkpoint_every=0,
    )
    with torch.inference_mode(False), torch.enable_grad():
        return Run(begun, DottedPeople(8)).train()


class TestTraining:
    @torch.no_grad()
    def test_it_learns_more_than_the_mean_pose(self, trained):
        """On pictures it has not seen, canvases of people somewhere else: by the heat maps' highest places."""
        curve = losses(trained.parent)
        assert sum(curve[-5:]) < 0.8 * sum(curve[:5])
        method, people = load_method(trained), DottedPeople(6, seed=1)
        batch = read_pairs(method, [(people.record(name),) * 2 for name in people.names])
        canvases = method.canvases(batch, Draws(1, range(12), 0))
        heat = method.network(canvases.pictures).fine
        highest = heat.flatten(2).argmax(-1)
        found = 2.0 * torch.stack([highest % 32, highest // 32], -1) + 1
        places, known = canvases.people[:, 0, :, :2], canvases.people[:, 0, :, 2:]
        mean = (places * known).sum(0) / known.sum(0).clamp(min=1)
        ours, still = (
            float(((where - places).norm(dim=-1) * known[..., 0]).sum() / known.sum()) for where in (found, mean)
        )
        assert ours < 0.5 * still, (ours, still)

    def test_the_nodes_find_people_with_its_file(self, trained, tmp_path):
        """In full and in half precision."""
        release(trained, tmp_path / "half.safetensors")
        record = DottedPeople(1, seed=2).record("p0-v0")
        image = torch.tensor(record.image)[None] / 255
        image = torch.nn.functional.pad(image.movedim(-1, 1), (8, 8), value=90 / 255).movedim(1, -1)
        wanted = to_coco_17(torch.tensor(record.fields["keypoints"])[None])[0, :, :2] + torch.tensor([8, 0])
        for file in (trained, tmp_path / "half.safetensors"):
            with safe_open(file, "pt") as opened:
                (patcher,) = load_weights(HIGHERHRNET, load_file(file), file.name, opened.metadata())
            with torch.inference_mode():
                (pose,) = MannequinEstimatePose.execute(patcher, image, "error", "largest", 0.1, 64).result
            (frame,) = from_pose_keypoint(pose)
            points = to_coco_17(frame.people)[0]
            there = points[:, 2] > 0
            errors = (points[there, :2] - wanted[there]).norm(dim=-1)
            assert there.sum() >= 8 and float(errors.median()) < 4

    def test_the_file_is_the_network(self, trained):
        """Load Pose Estimator's network and training's give the same maps, and evaluation finds somebody with it."""
        method, picture = load_method(trained), torch.rand(1, 3, 64, 64)
        with safe_open(trained, "pt") as opened:
            (patcher,) = load_weights(HIGHERHRNET, load_file(trained), "x", opened.metadata())
        with torch.no_grad():
            for ours, theirs in zip(method.network(picture), patcher.model(picture), strict=True):
                assert float((ours - theirs).abs().max()) < 1e-5
        records = [DottedPeople(2, seed=3).record(name) for name in ("p0-v0", "p1-v0")]
        seen = load_people_metric(trained, 64).look(
            [(each, each) for each in records], [each.image for each in records]
        )
        assert max(each.figures["pose_oks"] for each in seen) > 0.05

    def test_what_is_saved_has_statistics_of_its_own(self, tmp_path):
        """Of averaged weights, not those that training passed through."""
        run = Run(recipe(tmp_path, "estimator", ema=0.99, optimiser=Optimiser(learning_rate=1e-2)), NoisePeople())
        file = run.train()
        passed = run.bare.network.bn1.running_var
        saved = load_file(file)["bn1.running_var"]
        assert float((saved / passed - 1).abs().max()) > 1e-3
        method = load_method(file)
        batch = read_pairs(method, [(NoisePeople().record(name),) * 2 for name in NoisePeople().names])
        with torch.no_grad():
            maps = method.network.conv1(_normalised(method.canvases(batch, Draws(0, range(8), 0)).pictures))
        assert saved.tolist() == pytest.approx(maps.var((0, 2, 3)).tolist(), rel=0.3)

    def test_a_sheet_shows_heat(self):
        method = Estimator(replace(OPTIONS["estimator"], crowd=STILL), 0).eval()
        batch = read_pairs(method, [(DottedPeople().record("p0-v0"),) * 2])
        columns = method.show(batch, Draws(0, [0], 0), None)
        assert [tuple(column.shape) for column in columns] == [(1, 3, 64, 64)] * 3
        assert float(columns[1].max()) > 0.8 and float(columns[2].max().detach()) < 0

    def test_the_recipe_is_read_and_small(self):
        options = read_recipe(Path(__file__).parents[1] / "training" / "recipes" / "demo_estimator.yaml").options
        tensors, _ = Estimator(options, 0).weights()
        assert sum(tensor.numel() for tensor in tensors.values()) < 1_500_000, "3 MB in half precision"


def _normalised(pictures: torch.Tensor) -> torch.Tensor:
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return (pictures - mean) / deviation
