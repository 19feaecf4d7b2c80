"""Person re-identification: the protocol, BoT, shares, synthesis, and the command from end to end."""

import csv
import itertools
import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from training.data.records import Record
from training.data.sources import open_people
from training.data.store import StoredPeople, begin, files_of, left_to_do
from training.errors import TrainingError
from training.reid import run as reid_run
from training.reid.__main__ import bot_options, main
from training.reid.augmentation import Augmentation, as_input, augmented
from training.reid.batches import people_and_pictures
from training.reid.bot import BotOptions
from training.reid.experiment import KeptPeople
from training.reid.losses import CentreLoss, identity_loss, triplet_loss
from training.reid.network import MEAN, make_network
from training.reid.pictures import Pictures, camera_of, read_pictures
from training.reid.protocol import single_query
from training.reid.run import BotRun, features
from training.reid.shares import SHARES, kept
from training.reid.synthesis import draw_pairs, posed
from training.reid.table import ALONE, Outcome, markdown, over_seeds

SIZE = (32, 16)
SMALL = BotOptions(network="small:8", size=SIZE, people=4, epochs=3, warmup=1, decays=(2,))


@pytest.fixture(autouse=True)
def with_gradients():
    with torch.inference_mode(False), torch.enable_grad():
        yield


# The protocol


def by_hand(**changes):
    """One query of person 1 by camera 1; the gallery in the order of its distances."""
    people, cameras = ["1", "-1", "2", "1", "0000", "1"], [1, 2, 2, 2, 3, 3]
    told = {"gallery_people": people, "gallery_cameras": cameras} | changes
    distances = np.arange(len(told["gallery_people"]), dtype=float)[None]
    return single_query(distances, ["1"], [1], **told)


def test_scores_by_hand():
    """What counts: 2, 1, a distractor, 1. Right at places 2 and 4, so that AP = (1/2 + 2/4) / 2."""
    scores = by_hand()
    assert (scores.rank1, scores.rank5, scores.queries) == (0, 1, 1) and scores.mean_ap == pytest.approx(0.5)


def test_the_own_cameras_pictures_are_left_out():
    """By another camera the first would be right: 1, 2, 1, a distractor, 1."""
    scores = by_hand(gallery_cameras=[2, 2, 2, 2, 3, 3])
    assert scores.rank1 == 1 and scores.mean_ap == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_junk_is_left_out_and_distractors_are_not():
    """A number in junk's place is somebody wrong: right at 3 and 5."""
    assert by_hand(gallery_people=["1", "7", "2", "1", "0000", "1"]).mean_ap == pytest.approx((1 / 3 + 2 / 5) / 2)
    assert by_hand(gallery_people=["1", "-1", "2", "1", "-1", "1"]).mean_ap == pytest.approx((1 / 2 + 2 / 3) / 2)


def plainly(distances, query_people, query_cameras, gallery_people, gallery_cameras):
    """The protocol in plain words."""
    first, fifth, precisions = [], [], []
    for query in range(len(query_people)):
        ranking = []
        for place in sorted(range(len(gallery_people)), key=lambda place: distances[query][place]):
            if gallery_people[place] == "-1":
                continue
            same = gallery_people[place] == query_people[query]
            if same and gallery_cameras[place] == query_cameras[query]:
                continue
            ranking.append(same)
        if not any(ranking):
            continue
        first.append(ranking[0])
        fifth.append(any(ranking[:5]))
        at = [sum(ranking[: place + 1]) / (place + 1) for place, right in enumerate(ranking) if right]
        precisions.append(sum(at) / len(at))
    return [sum(values) / len(values) for values in (first, fifth, precisions)]


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_random_rankings(seed):
    draw = np.random.default_rng(seed)
    people, cameras = draw.choice(["-1", "0000", "1", "2", "3", "4"], 40), draw.integers(1, 4, 40)
    asked, seen_by = draw.choice(["1", "2", "3", "4"], 9), draw.integers(1, 4, 9)
    distances = draw.random((9, 40))
    scores = single_query(distances, asked, seen_by, people, cameras)
    assert [scores.rank1, scores.rank5, scores.mean_ap] == pytest.approx(
        plainly(distances, asked, seen_by, people, cameras)
    )


def test_a_query_that_nobody_can_answer_does_not_count():
    distances = np.zeros((2, 1))
    assert single_query(distances, ["1", "2"], [1, 1], ["1"], [2]).queries == 1
    with pytest.raises(TrainingError, match="seen by two cameras at least"):
        single_query(distances, ["1", "2"], [1, 1], ["1"], [1])


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


# Shares


def test_shares_are_nested_and_have_everybody():
    whose = {f"{person}-c1-{view}": str(person) for person in range(10) for view in range(1 + person)}
    sets = {share: kept(whose, share, seed=0) for share in SHARES}
    for smaller, larger in itertools.pairwise(SHARES):
        assert {*sets[smaller]} < {*sets[larger]}
    for share, names in sets.items():
        assert {whose[name] for name in names} == {*whose.values()} and len(names) == round(55 * share / 100)
    assert sets[100] == list(whose) and sets[20] == kept(whose, 20, 0) != kept(whose, 20, 1)
    assert len(kept(whose, 1, 0)) == 10, "one of everybody, if it is more"


@pytest.mark.parametrize("share", [0, -20, 101])
def test_a_share_out_of_range(share):
    with pytest.raises(TrainingError, match="from 1 to 100"):
        kept({"a": "a"}, share, 0)


# What is synthesised


def test_pairs_are_of_kept_pictures_of_a_person():
    whose = {f"{person}-c1-{view}": str(person) for person in range(4) for view in range(1 + person)}
    pairs = draw_pairs(whose, list(whose), each=5, seed=0)
    assert len({*pairs}) == len(pairs)
    counts = [sum(whose[pair.source] == str(person) for pair in pairs) for person in range(4)]
    assert counts == [0, 2, 5, 5], "all there are of two pictures, none of one"
    assert all(whose[source] == whose[target] and source != target for source, target in pairs)
    assert draw_pairs(whose, list(whose), 5, 0) == pairs != draw_pairs(whose, list(whose), 5, 1)
    anyone = draw_pairs(whose, list(whose), 5, 0, "anyone")
    assert [sum(whose[pair.source] == str(person) for pair in anyone) for person in range(4)] == [5] * 4
    assert any(whose[source] != whose[target] for source, target in anyone)
    assert {target for _, target in draw_pairs(whose, ["3-c1-0"], 5, 0)} == {"3-c1-0"}, "whose pose is known"


class Posed:
    """A person without a pose, one with, and one of whom nothing is known."""

    names = ("none-c1", "some-c1", "unknown-c1")

    def record(self, name: str) -> Record:
        points = np.zeros((18, 3), np.float32)
        points[:9, 2] = name.startswith("some")
        fields = {} if name.startswith("unknown") else {"keypoints": points}
        return Record(name, name, name, np.zeros((8, 8, 3), np.uint8), fields)


def test_who_shows_no_pose_is_no_target():
    assert posed(Posed(), Posed.names) == ["some-c1", "unknown-c1"]


def test_a_kept_persons_other_pictures_are_kept_ones():
    people = KeptPeople(Posed(), {"none-c1": "a", "some-c1": "a", "unknown-c1": "b"})
    assert sorted(people.pairs) == [("none-c1", "some-c1"), ("some-c1", "none-c1")]


# Trainings


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


def weights_of(run: BotRun) -> list[torch.Tensor]:
    return [*run.network.state_dict().values(), *run.centres.state_dict().values()]


@pytest.mark.parametrize("steps", [None, 5])
def test_a_stopped_training_ends_as_an_undisturbed_one(tmp_path, monkeypatch, steps):
    pictures = coloured(6, 2, 5)
    options = replace(SMALL, epoch_steps=steps, people=3)
    whole = BotRun(pictures, options, seed=1)
    whole.train()
    count, update = 0, BotRun._update

    def stopping(run, places):
        nonlocal count
        count += 1
        loss = update(run, places)
        if count in (2, 6):
            os.kill(os.getpid(), signal.SIGINT)
        return loss

    monkeypatch.setattr(BotRun, "_update", stopping)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            BotRun(pictures, options, 1, tmp_path).train()
    last = BotRun(pictures, options, 1, tmp_path)
    assert last.steps == 6
    last.train()
    assert last.steps == whole.steps == count and (steps is None or count == 15)
    assert all(torch.equal(one, other) for one, other in zip(weights_of(last), weights_of(whole), strict=True))
    fresh = BotRun(pictures, options, seed=2)
    fresh.train()
    assert not torch.equal(weights_of(fresh)[0], weights_of(whole)[0])
    with pytest.raises(TrainingError, match="other pictures or options"):
        BotRun(pictures.of(pictures.names[:-1]), options, 1, tmp_path)


def test_every_trick_changes_the_training():
    pictures = coloured(4, 2, 4)

    def trained(**changes) -> torch.Tensor:
        options = replace(SMALL, **{"epochs": 1, "warmup": 0} | changes)
        run = BotRun(pictures, options, seed=0)
        run.train()
        return torch.from_numpy(features(run, pictures.images))

    whole = trained()
    assert torch.allclose(whole.norm(dim=1), torch.ones(len(whole)), atol=1e-5)
    off = [
        {"last_stride": 2},
        {"neck": False},
        {"smoothing": 0},
        {"triplet": 0},
        {"centre": 0},
        {"warmup": 1},
        {"augmentation": Augmentation(erase=0)},
        {"augmentation": Augmentation(flip=0)},
        {"weight_decay": 0.5},
    ]
    assert [change for change in off if torch.equal(trained(**change), whole)] == []


def found_again(pictures: Pictures, query: Pictures, gallery: Pictures) -> float:
    changes = {"epochs": 24, "warmup": 3, "decays": (20,), "people": 12, "epoch_steps": 4, "rate": 4e-3}
    options = replace(SMALL, **changes, augmentation=Augmentation(pad=1, erase=0))
    run = BotRun(pictures, options, seed=0)
    run.train()
    of_query, of_gallery = (features(run, each.images) for each in (query, gallery))
    return single_query(1 - of_query @ of_gallery.T, query.people, query.cameras, gallery.people, gallery.cameras).rank1


def test_strangers_are_found_again_unless_labels_are_shuffled():
    """Twenty strangers: by chance, one query in twenty."""
    train, gallery, query = coloured(100, 2, 2), coloured(20, 2, 2, first=200), coloured(20, 2, 1, first=200, seed=1)
    learned = found_again(train, query, gallery)
    labels = np.random.default_rng(0).permutation(train.people).tolist()
    shuffled = found_again(Pictures(train.names, train.images, labels, train.cameras), query, gallery)
    assert learned > 0.8 and shuffled < 0.5, (learned, shuffled)


# Data


def test_who_took_a_picture_is_in_its_name():
    assert [camera_of(name) for name in ("0002_c6s1_000451_03", "-1_c3s1_1_0", "train000001-c12-v0")] == [6, 3, 12]
    assert camera_of("a-c1-v0-as-b-c2-v1") == 1, "a synthesised picture is its source's camera's"
    with pytest.raises(TrainingError, match="'holiday' does not say which camera"):
        camera_of("holiday")


@pytest.mark.filterwarnings("ignore")
def test_synthetic_people_are_watched():
    pytest.importorskip("anny")
    options = "identities=2,cameras=2,views=1,size=64x32"
    train, query, gallery = (open_people(f"watched:split={split},{options}") for split in ("train", "query", "gallery"))
    assert train.names[:2] == ["train000000-c1-v0", "train000000-c2-v0"] and len(train.pairs) == 4
    assert query.names == [name.replace("-v0", "-q") for name in gallery.names]
    record = train.record(train.names[1])
    assert np.array_equal(open_people(f"watched:split=train,{options}").record(train.names[1]).image, record.image)
    assert record.image.shape == (64, 32, 3) and record.fields["parsing"].any()
    assert record.identity == record.outfit == "train000000"
    one, other = (people.record(people.names[0]) for people in (query, gallery))
    assert one.identity == other.identity == "test000000" and not np.array_equal(one.image, other.image)
    with pytest.raises(TrainingError, match="give 2 or more"):
        open_people("watched:cameras=1")
    with pytest.raises(TrainingError, match="no split 'test'"):
        open_people("watched:split=test")


def stored(folder, pictures: Pictures):
    """As ``training.preprocess`` would store them."""

    class People:
        names, pairs = pictures.names, ()

        def record(self, name: str) -> Record:
            place = self.names.index(name)
            return Record(name, pictures.people[place], pictures.people[place], pictures.images[place])

    begin(folder, People(), {}, "shards", 64)
    for unit in left_to_do(folder, pictures.names, "shards", 64):
        files_of(folder, "shards").write(unit.number, [People().record(name) for name in unit.names])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three stores of few people."""
    folder = tmp_path_factory.mktemp("reid")
    stored(folder / "train", coloured(6, 2, 3))
    stored(folder / "query", coloured(4, 2, 1, first=200, seed=1))
    stored(folder / "gallery", coloured(4, 2, 2, first=200))
    return folder


FAST = ["network=small:4", "size=[32,16]", "epochs=2", "epoch_steps=2", "people=4", "each=2"]


def run(data, out, *words: str) -> int:
    return main([str(data), *FAST, "--out", str(out), "--quiet", "--device", "cpu", *words])


def test_the_command_writes_the_table_and_does_nothing_twice(data, tmp_path, capsys, monkeypatch):
    words = ["--shares", "100,50", "--seeds", "2", "--synthesised", "4", "--predictor", "copy", "--name", "copies"]
    assert run(data, tmp_path, *words) == 0
    text = capsys.readouterr().out
    assert text == (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| Rank-1, % ↑ | real pictures | synthesised | real alone | copies | difference |" in text
    assert "| 50 % real | 18 |" in text and "8 trainings of BoT" in text
    lines = list(csv.DictReader((tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()))
    assert len(lines) == 8 and {line["steps"] for line in lines} == {"4"}
    assert [line["synthesised"] for line in lines if line["training"] == ALONE] == ["0"] * 4
    made = StoredPeople(tmp_path / "synthesised" / "copies" / "100-0")
    assert len(made.names) == 24
    source = StoredPeople(data / "train").record(made.names[0].split("-as-")[0])
    assert np.array_equal(made.record(made.names[0]).image, source.image)
    assert made.record(made.names[0]).identity == source.identity
    assert not list((tmp_path / "trainings").glob("*/checkpoint-*"))

    def again(*_):
        raise AssertionError("a training was done again")

    monkeypatch.setattr(BotRun, "_update", again)
    assert run(data, tmp_path, *words) == 0 and capsys.readouterr().out == text
    assert run(data, tmp_path, *words, "--steps", "3") == 1
    assert "was begun with other settings: steps" in capsys.readouterr().err
    assert run(data, tmp_path, *words, "neck=false") == 1
    assert "was trained otherwise: options differ" in capsys.readouterr().err


def test_a_stopped_command_goes_on(data, tmp_path, capsys, monkeypatch):
    words = ["--shares", "100", "--seeds", "2"]
    assert run(data, tmp_path / "whole", *words) == 0
    update, count = BotRun._update, itertools.count(1)

    def stopping(run, places):
        if next(count) == 6:
            raise KeyboardInterrupt
        return update(run, places)

    monkeypatch.setattr(BotRun, "_update", stopping)
    assert run(data, tmp_path / "stopped", *words) == 130
    assert "The same command goes on" in capsys.readouterr().err
    assert run(data, tmp_path / "stopped", *words) == 0
    for folder in sorted((tmp_path / "whole" / "trainings").iterdir()):
        scores = [
            json.loads((tmp_path / name / "trainings" / folder.name / "result.json").read_text())["outcome"]["scores"]
            for name in ("whole", "stopped")
        ]
        assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shares", "0"], "from 1 to 100"),
        (["--predictor", "nobody"], "no predictor 'nobody'"),
        (["--predictor", "copy", "--predictor", "copy"], "Two trainings are called"),
        (["--predictor", "copy", "--name", "a", "--name", "b"], "1 predictors and 2 names"),
        (["network=resnet51"], "no network 'resnet51'"),
        (["centre=[1]"], "BoT's options are not right"),
    ],
)
def test_what_is_wrong_is_said(data, tmp_path, capsys, words, said):
    assert run(data, tmp_path, *words) == 1
    assert said in capsys.readouterr().err


def test_data_that_are_none(tmp_path, capsys, data):
    assert run(tmp_path / "nowhere", tmp_path / "out") == 1
    assert "There is no folder" in capsys.readouterr().err
    assert run("watched:split=train", tmp_path / "out") == 1
    assert "names a split. Leave it out" in capsys.readouterr().err
    stored(tmp_path / "one" / "train", coloured(1, 2, 3))
    for split in ("query", "gallery"):
        (tmp_path / "one" / split).symlink_to(data / split)
    assert run(tmp_path / "one", tmp_path / "out") == 1
    assert "show 1 identity. Two are needed" in capsys.readouterr().err


def test_weights_of_another_kind(data, tmp_path, capsys):
    file = tmp_path / "half.pth"
    torch.save({"conv1.weight": torch.zeros(1)}, file)
    assert run(data, tmp_path / "out", "network=resnet18", f"weights={file}", "--shares", "100", "--seeds", "1") == 1
    assert "is of another network than resnet18" in capsys.readouterr().err


def test_pictures_of_another_size_are_stretched(data):
    pictures = read_pictures(StoredPeople(data / "query"), (16, 8))
    assert pictures.images.shape == (8, 16, 8, 3) and pictures.cameras[:2] == [1, 2]


# The table


def test_differences_are_paired_by_seed():
    """Alone 50 and 70, with others 52 and 74: the difference is 3 ± 12.7, however far apart the seeds are."""
    scores = {(ALONE, 0): 0.5, (ALONE, 1): 0.7, ("m", 0): 0.52, ("m", 1): 0.74}
    outcomes = [
        Outcome(
            20, seed, name, 10, 0 if name == ALONE else 5, 8, 1800, dict.fromkeys(("rank1", "rank5", "mean_ap"), value)
        )
        for (name, seed), value in scores.items()
    ]
    text = markdown(outcomes)
    assert "| 20 % real | 10 | 5 | 60.0 (" in text and "3.0 (-9.7 … 15.7) |" in text and "2.00 hours" in text


def test_students_interval():
    """Of 1, 2, 3: a deviation of 1, t of two degrees of freedom 4.3027."""
    figure = over_seeds([1, 2, 3])
    assert (figure.mean, figure.low) == pytest.approx((2, 2 - 4.3027 / 3**0.5), abs=1e-3)
    assert np.isnan(over_seeds([1]).low)


def test_the_checkpoint_is_written_every_few_epochs(tmp_path, monkeypatch):
    monkeypatch.setattr(reid_run, "CHECKPOINT_EPOCHS", 2)
    BotRun(coloured(3, 2, 2), SMALL, 0, tmp_path).train()
    (found,) = tmp_path.glob("checkpoint-*")
    assert found.is_dir()
