"""How alike views are: right values, and IMAGPose's views together beside separate runs."""

import numpy as np
import pytest
import torch
from imagpose_models import made, write_vae
from test_imagpose_scenarios import STEPS, written
from training_people import NoisePeople, NoiseViews, store

from model_patches.attention.cva import PUBLISHED_TILES, join_tiles
from preprocessors.joint_views import arranged
from preprocessors.labels import LIP_20
from training.autoencoders import load_autoencoder
from training.consistency import ALL, APART, FACE, TOGETHER, TRUTH, chosen_groups, compared, main, table
from training.data.records import Pair
from training.errors import TrainingError
from training.evaluation.consistency import face_consistency, garment_consistency
from training.imagpose import IMAGPoseScenario

SHIRT, TROUSERS = LIP_20.index("Upper-clothes"), LIP_20.index("Pants")


def view(shirt: tuple[int, int, int], labels: tuple[int, ...] = (SHIRT,)) -> tuple[np.ndarray, np.ndarray]:
    """A picture of stripes on a red wall, the labels' from the left; the first has the colour."""
    picture, shown = np.full((6, 8, 3), (200, 0, 0), np.uint8), np.zeros((6, 8), np.uint8)
    for place, label in enumerate(labels):
        shown[:, 2 * place : 2 * place + 2] = label
    picture[:, :2] = shirt
    return picture, shown


class TestFigures:
    def test_the_mean_is_over_pairs_of_views(self):
        """Black and white are 100 apart: two of three pairs."""
        views = [view((255, 255, 255)), view((0, 0, 0)), view((0, 0, 0))]
        assert garment_consistency(*zip(*views, strict=True)) == {"Upper-clothes": pytest.approx(200 / 3, abs=1e-3)}

    def test_means_are_compared_and_not_pixels(self):
        """A pattern has the colour of its mean: white and black the L of 50, which is grey 119."""
        striped, plain = view((0, 0, 0)), view((119, 119, 119))
        striped[0][::2, :2] = 255
        assert garment_consistency(*zip(striped, plain, strict=True))["Upper-clothes"] < 0.5
        assert garment_consistency(*zip(striped, view((0, 0, 0)), strict=True))["Upper-clothes"] > 30

    def test_a_garment_counts_where_two_views_show_it(self):
        """The wall does not, nor what one view alone shows."""
        views = [view((9, 9, 9), (SHIRT, TROUSERS)), view((9, 9, 9)), view((9, 9, 9), (TROUSERS,))]
        found = garment_consistency(*zip(*views, strict=True))
        assert found.keys() == {"Upper-clothes", "Pants"} and found["Upper-clothes"] == 0 < found["Pants"]
        assert garment_consistency(*zip(*views[1:], strict=True)) == {}

    def test_faces(self):
        east, north = np.array([2.0, 0.0]), np.array([0.0, 0.5])
        assert face_consistency([east, None, 3 * east]) == pytest.approx(1)
        assert face_consistency([east, north, east]) == pytest.approx(1 / 3)
        assert np.isnan(face_consistency([east, None]))


class TestGroups:
    def test_sources_with_two_targets_or_more(self):
        pairs = [*(Pair("a", f"a{n}") for n in range(5)), Pair("b", "b0"), *(Pair("c", f"c{n}") for n in range(2))]
        groups = chosen_groups(pairs, None, 0)
        assert [source for source, _ in groups] == ["a", "c"]
        assert len(set(groups[0][1])) == 3 and set(groups[1][1]) == {"c0", "c1"}
        assert groups == chosen_groups(pairs, 9, 0)
        assert {chosen_groups(pairs, 1, seed)[0][0] for seed in range(20)} == {"a", "c"}

    def test_nobody_has_enough_pictures(self):
        with pytest.raises(TrainingError, match="^Nobody in this data set has a source and two other pictures"):
            chosen_groups(NoisePeople().pairs, None, 0)


class TestViews:
    def test_every_targets_first_view(self):
        """Of tiles, and of views along the batch; row by row."""
        method, along = made(), made(views="batch", image=False, texture=False)
        tiles = torch.arange(8.0).view(2, 4, 1, 1, 1).expand(-1, -1, 3, 2, 2)
        batch = torch.arange(6.0).view(6, 1, 1, 1).expand(-1, 3, 2, 2)
        for targets, of_tiles, of_batch in ((3, (1, 2, 3), (0, 1, 2)), (2, (1, 2), (0, 1)), (1, (1,), (0,))):
            layout = arranged(1, targets, 48, 64)
            views = [
                view.flatten(1)[:, 0].tolist() for view in method.targets_of(join_tiles(tiles, PUBLISHED_TILES), layout)
            ]
            assert views == [[float(place), float(place + 4)] for place in of_tiles]
            views = [view.flatten(1)[:, 0].tolist() for view in along.targets_of(batch, layout)]
            assert views == [[float(place), float(place + 3)] for place in of_batch]

    def test_together_is_what_several_is(self, vae):
        people = NoiseViews()
        several = IMAGPoseScenario(made().eval(), load_autoencoder(vae), people, "several", STEPS)
        source, target = people.record("p0-v0"), people.record("p1-v1")
        others = several.others(source, target)
        (views,) = several.together([(source, [target, *others])])
        assert len(views) == 3 and len({view.tobytes() for view in views}) == 3
        assert np.array_equal(views[0], several.predict([(source, target)])[0])


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    return write_vae(tmp_path_factory.mktemp("vae") / "vae.safetensors")


def test_three_ways(vae):
    people, method, autoencoder = NoiseViews(), made().eval(), load_autoencoder(vae)
    together, apart = (
        IMAGPoseScenario(method, autoencoder, people, scenario, STEPS, batch=2) for scenario in ("several", "T1")
    )
    groups = chosen_groups(people.pairs, None, 0)
    outcomes = {
        outcome.name: outcome for outcome in compared(together, apart, people, groups, lambda picture: picture[0, 0])
    }
    assert list(outcomes) == [TOGETHER, APART, TRUTH]
    records = [people.record(name) for name in groups[1][1]]
    parsing = [record.fields["parsing"] for record in records]
    for name, views in (
        (TRUTH, [record.image for record in records]),
        (TOGETHER, together.together([(people.record(groups[1][0]), records)])[0]),
        (APART, apart.predict([(people.record(groups[1][0]), record) for record in records])),
    ):
        garments = garment_consistency(views, parsing)
        values = outcomes[name].values
        # A batch's rows differ from single ones in rounding.
        assert values[ALL.key][1] == pytest.approx(np.mean(list(garments.values())), abs=0.1)
        assert (
            {key for key in garments if not np.isnan(values[key][1])} == garments.keys() == {"Upper-clothes", "Pants"}
        )
        assert np.isfinite(values[FACE.key]).all()
    assert outcomes[TOGETHER].identities == ["p0", "p0", "p1", "p1"]
    text = table(list(outcomes.values()))
    assert f"| 4 sources | {TOGETHER} | {APART} | {TRUTH} | {TOGETHER} − {APART} |" in text
    mean = float(outcomes[TRUTH].values[ALL.key].mean())
    assert f" | {mean:.2f} (" in text and "| Pants, ΔE₀₀ ↓ | " in text and "Skirt" not in text


def test_the_command(vae, tmp_path, capsys):
    file = tmp_path / "imagpose.safetensors"
    written(file, made())
    folder = store(NoiseViews(), tmp_path / "store")
    words = [
        str(folder),
        str(file),
        "--autoencoder",
        str(vae),
        "--out",
        str(tmp_path / "out"),
        "--steps",
        "2",
        "--quiet",
    ]
    assert main([*words, "--sources", "2"]) == 0
    text = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert text == capsys.readouterr().out
    assert text.startswith("2 sources.") and "- face similarity between views: not measured. Get buffalo_s.zip" in text
    few = store(NoisePeople(), tmp_path / "few")
    assert main([str(few), *words[1:]]) == 1
    assert capsys.readouterr().err.startswith("Nobody in this data set")
