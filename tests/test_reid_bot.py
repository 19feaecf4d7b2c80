"""BoT's losses, network, options, batches and augmentation."""

import itertools

import numpy as np
import pytest
import torch
from small_reid import SIZE

from training.errors import TrainingError
from training.reid.__main__ import bot_options
from training.reid.augmentation import Augmentation, as_input, augmented
from training.reid.batches import people_and_pictures
from training.reid.bot import BotOptions
from training.reid.losses import CentreLoss, identity_loss, triplet_loss
from training.reid.network import MEAN, make_network

pytestmark = pytest.mark.usefixtures("with_gradients")


# Losses


def test_smoothed_labels():
    """Section 3.3: q = 1 − ε(N−1)/N for the right one, ε/N for the others."""
    logits, people = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 3, 6, 3, 1])
    logs = logits - logits.exp().sum(1, keepdim=True).log()
    for smoothing in (0.0, 0.1):
        wanted = torch.full((5, 7), smoothing / 7)
        wanted[torch.arange(5), people] = 1 - smoothing * 6 / 7
        assert torch.allclose(identity_loss(logits, people, smoothing), -(wanted * logs).sum(1).mean(), atol=1e-6)


def test_the_triplet_takes_the_hardest():
    features = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    people = [0, 0, 1, 1, 1, 2, 2, 3]
    losses = []
    for anchor in range(7):
        far = {other: float((features[anchor] - features[other]).norm()) for other in range(8) if other != anchor}
        positive = max(value for other, value in far.items() if people[other] == people[anchor])
        negative = min(value for other, value in far.items() if people[other] != people[anchor])
        losses.append(max(0.0, positive - negative + 0.3))
    assert float(triplet_loss(features, torch.tensor(people), 0.3)) == pytest.approx(np.mean(losses), rel=1e-4)
    assert float(triplet_loss(features, torch.arange(8))) == 0, "nobody has two pictures"


def test_the_triplet_has_a_slope_where_pictures_are_the_same():
    features = torch.ones(4, 3, requires_grad=True)
    triplet_loss(features, torch.tensor([0, 0, 1, 1])).backward()
    assert torch.isfinite(features.grad).all()


def test_centres():
    loss = CentreLoss(3, 4)
    features, people = torch.randn(5, 4), torch.tensor([0, 2, 2, 1, 0])
    centres = loss.centres.detach()
    wanted = sum(float(((features[row] - centres[person]) ** 2).sum()) for row, person in enumerate(people)) / 5
    assert loss(features, people).item() == pytest.approx(wanted, rel=1e-5)


# The network and its options


def test_bnneck_and_the_last_stride():
    network, strided = (make_network("small:8", 5, seed=0, last_stride=stride) for stride in (1, 2))
    pictures = torch.randn(4, 3, *SIZE)
    assert network.backbone(pictures).shape[2] == 2 * strided.backbone(pictures).shape[2]
    before, after, logits = network(pictures)
    assert before.shape == after.shape == (4, 64) and logits.shape == (4, 5)
    assert torch.allclose(after.mean(0), torch.zeros(64), atol=1e-5) and not before.mean(0).allclose(after.mean(0))
    assert not network.neck.bias.requires_grad and network.classifier.bias is None
    plain = make_network("small:8", 5, seed=0, neck=False)
    before, after, _ = plain(pictures)
    assert torch.equal(before, after) and plain.classifier.bias is not None
    assert torch.equal(make_network("small:8", 5, seed=0).classifier.weight, network.classifier.weight)
    assert not torch.equal(make_network("small:8", 5, seed=1).classifier.weight, network.classifier.weight)


def test_torchvisions_network_and_its_weights(tmp_path):
    models = pytest.importorskip("torchvision").models
    torch.manual_seed(0)
    whole, file = models.resnet18(weights=None), tmp_path / "resnet18.pth"
    torch.save(whole.state_dict(), file)
    network = make_network("resnet18", 5, seed=3, last_stride=2, weights=file).eval()
    pictures, seen = torch.randn(2, 3, 64, 32), {}
    whole.eval().avgpool.register_forward_pre_hook(lambda _, given: seen.update(maps=given[0]))
    whole(pictures)
    with torch.no_grad():
        assert torch.allclose(network(pictures)[0], seen["maps"].mean((2, 3)), atol=1e-5)
        larger = make_network("resnet18", 5, seed=3, weights=file).eval().backbone(pictures)
    assert larger.shape[2] == 2 * seen["maps"].shape[2]
    with pytest.raises(TrainingError, match="of another network than resnet34"):
        make_network("resnet34", 5, seed=0, weights=file)
    with pytest.raises(TrainingError, match="There is no network 'resnet19'.*resnet50"):
        make_network("resnet19", 5, seed=0)


def test_warm_up_and_decays():
    """Section 3.1: 3.5e-5 to 3.5e-4 in ten epochs, then a tenth from 40 and a hundredth from 70 on."""
    paper = BotOptions()
    for epoch, rate in {1: 3.5e-5, 10: 3.5e-4, 40: 3.5e-4, 41: 3.5e-5, 70: 3.5e-5, 71: 3.5e-6, 120: 3.5e-6}.items():
        assert paper.rate_in(epoch) == pytest.approx(rate)
    assert all(paper.rate_in(epoch + 1) > paper.rate_in(epoch) for epoch in range(1, 10))


def test_options_on_the_command_line():
    short = bot_options(["epochs=24", "network=small:4", "augmentation.erase=0", "size=[64,32]"])
    assert (short.epochs, short.warmup, short.decays) == (24, 2, (8, 14))
    assert short.augmentation == Augmentation(erase=0) and short.size == (64, 32) and short.centre == 0.0005
    assert bot_options(["epochs=24", "decays=[5]"]).decays == (5,)
    with pytest.raises(TrainingError, match="not right.*They are network"):
        bot_options(["nek=false"])


# Batches and augmentation


def test_a_batch_has_people_and_pictures_of_each():
    whose = [person for person, count in enumerate((9, 4, 2, 5, 1)) for _ in range(count)]
    batches = list(people_and_pictures(whose, 3, 4, np.random.default_rng(0)))
    assert batches
    for batch in batches:
        people = [whose[place] for place in batch]
        assert len(batch) == 12 and all(len({*people[start : start + 4]}) == 1 for start in (0, 4, 8))
        assert len({*people}) == 3
    used = [place for batch in batches for place in batch if whose[place] in (0, 1, 3)]
    assert len({*used}) == len(used), "who has enough pictures shows none twice"
    again = list(people_and_pictures(whose, 3, 4, np.random.default_rng(0)))
    assert again == batches != list(people_and_pictures(whose, 3, 4, np.random.default_rng(1)))


def test_a_few_people_are_a_batch_and_one_is_none():
    (batch,) = people_and_pictures([0, 0, 1], 16, 4, np.random.default_rng(0))
    assert len(batch) == 8
    with pytest.raises(TrainingError, match="show 1 identity. Two are needed"):
        next(people_and_pictures([0, 0, 0], 16, 4, np.random.default_rng(0)))


def test_flip_crop_and_erasing():
    picture = np.random.default_rng(0).integers(1, 256, (*SIZE, 3), dtype=np.uint8)
    off = Augmentation(flip=0, pad=0, erase=0)
    assert np.array_equal(augmented(picture, off, np.random.default_rng(0)), picture)
    assert np.array_equal(augmented(picture, Augmentation(1, 0, 0), np.random.default_rng(0)), picture[:, ::-1])
    moved = augmented(picture, Augmentation(0, 3, 0), np.random.default_rng(2))
    padded = np.pad(picture, ((3, 3), (3, 3), (0, 0)))
    crops = [padded[y : y + SIZE[0], x : x + SIZE[1]] for y, x in itertools.product(range(7), repeat=2)]
    assert sum(np.array_equal(moved, crop) for crop in crops) == 1
    areas = []
    for seed in range(60):
        erased = augmented(picture, Augmentation(0, 0, 1), np.random.default_rng(seed))
        gone = (erased == np.round(np.array(MEAN) * 255)).all(-1)
        rows, columns = np.nonzero(gone)
        assert gone[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all(), "a rectangle"
        assert np.array_equal(erased[~gone], picture[~gone])
        assert as_input(erased[None])[0][:, torch.tensor(gone)].abs().max() < 0.01, "zero for the network"
        areas.append(gone.mean())
    assert 0.01 < min(areas) < 0.1 and 0.25 < max(areas) < 0.45
