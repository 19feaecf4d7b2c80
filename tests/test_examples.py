"""Groups of a source and its targets, in the order of a run, and batches of them."""

from dataclasses import replace

import pytest
import torch
from small_methods import OPTIONS, recipe
from training_people import NoiseViews

from training.data.records import Pair
from training.draws import Draws
from training.errors import TrainingError
from training.examples import Examples, collate, grouped
from training.loop import Run
from training.methods import METHODS
from training.recipe import Data

PAIRS = [Pair("a", "b"), Pair("a", "c"), Pair("b", "a"), Pair("a", "d"), Pair("c", "a")]

pytestmark = pytest.mark.usefixtures("with_gradients")


def test_one_target_a_source_is_the_pairs_by_source():
    assert grouped(PAIRS, 1) == [("a", ("b",)), ("a", ("c",)), ("a", ("d",)), ("b", ("a",)), ("c", ("a",))]


def test_a_last_group_that_is_not_full_begins_again():
    assert grouped(PAIRS, 2) == [("a", ("b", "c")), ("a", ("d", "b")), ("b", ("a", "a")), ("c", ("a", "a"))]


def test_an_epoch_has_every_group_once_and_the_next_another_order():
    examples = Examples(METHODS["truepose"](OPTIONS["truepose"], 0), NoiseViews(), 0, targets=3)
    examples._read = lambda role, name: {role: name}
    epochs = [[examples[number].source["source"] for number in range(start, start + 4)] for start in (0, 4)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == NoiseViews().names
    assert epochs[0] != epochs[1]
    assert [target["target"] for target in examples[0].targets] == [n for n in NoiseViews().names if n != epochs[0][0]]


def test_a_batch_has_each_sources_targets_after_one_another():
    examples = Examples(METHODS["truepose"](OPTIONS["truepose"], 0), NoiseViews(), 0, targets=3)
    batch = collate([examples[5], examples[2]])
    assert len(batch["source_latent"]) == 2 and len(batch["target_latent"]) == 6
    assert batch["number"].tolist() == [15, 16, 17, 6, 7, 8]
    for row, number in enumerate((5, 2)):
        example = examples[number]
        assert torch.equal(batch["source_latent"][row], example.source["source_latent"])
        for place in range(3):
            assert torch.equal(batch["target_latent"][3 * row + place], example.targets[place]["target_latent"])


@pytest.mark.parametrize(("name", "changes"), [("truepose", {}), ("mcld", {"clip_jitter": 0.0})])
def test_sources_with_three_targets_teach_what_as_many_pairs_do(name, changes):
    method = METHODS[name](replace(OPTIONS[name], correspondence=0.5, background=0.25, **changes), 0)
    together, alone = Examples(method, NoiseViews(), 0, targets=3), Examples(method, NoiseViews(), 0)
    batch = collate([together.group(1), together.group(3)])
    pairs = collate([alone.group(3 * source + place) for source in (1, 3) for place in range(3)])
    assert len(batch["target_latent"]) == len(pairs["target_latent"]) == 6
    losses = [
        {key: float(value.detach()) for key, value in method(each, Draws(0, range(6), 0)).items()}
        for each in (batch, pairs)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0].keys() >= {"diffusion", "correspondence"}


def test_drawn_views_are_of_one_person_and_never_all_the_same_picture():
    """With replacement: every picture comes, the source's own too, in one order whoever asks."""
    people = NoiseViews()
    examples = Examples(METHODS["truepose"](OPTIONS["truepose"], 0), people, 0, targets=3, drawn=True)
    examples._read = lambda role, name: {role: name}
    assert [group.source for group in examples.groups] == people.names
    seen, repeated = set(), 0
    for number in range(200):
        example = examples[number]
        source, targets = example.source["source"], [target["target"] for target in example.targets]
        assert len(targets) == 3 and set(targets) != {source}
        seen |= {(source, target) for target in targets}
        repeated += len(set(targets)) < 3
    assert len(seen) == 16 and repeated > 50
    again = [examples[number].targets for number in (7, 3)]
    assert again == [examples[number].targets for number in (7, 3)]
    assert [examples.group(0, number).targets for number in (0, 4)] != [examples.group(0, 4).targets] * 2


def test_a_batch_is_made_of_whole_groups(tmp_path):
    run = Run(recipe(tmp_path, data=Data(people=tmp_path, targets=3)), NoiseViews())
    with pytest.raises(TrainingError, match="4 cannot be made of sources with 3 targets"):
        run.train()
