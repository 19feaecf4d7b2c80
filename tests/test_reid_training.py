"""BoT's training: it goes on where it was stopped, every trick counts, and strangers are found again."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_reid import SMALL, coloured

from training.errors import TrainingError
from training.reid import run as reid_run
from training.reid.augmentation import Augmentation
from training.reid.pictures import Pictures
from training.reid.protocol import single_query
from training.reid.run import BotRun, features

pytestmark = pytest.mark.usefixtures("with_gradients")


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


def test_the_checkpoint_is_written_every_few_epochs(tmp_path, monkeypatch):
    monkeypatch.setattr(reid_run, "CHECKPOINT_EPOCHS", 2)
    BotRun(coloured(3, 2, 2), SMALL, 0, tmp_path).train()
    (found,) = tmp_path.glob("checkpoint-*")
    assert found.is_dir()
