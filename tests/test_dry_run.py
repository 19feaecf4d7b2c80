"""Two steps of a recipe without data and weights; recipes made of others, and of any size."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_methods import OPTIONS, UNET, XL
from torch import nn
from training_people import NoisePeople

from devtools.say import say
from training import costs, dry_run
from training.errors import TrainingError
from training.methods.diffusion import SmallUNet
from training.operations import counted
from training.published_networks import SIZES, PublishedUNet, architecture_of
from training.recipe import Recipe, check_size, read_recipe
from training.train import main as train
from training.unets import heads_of

RECIPES = Path(__file__).parents[1] / "training" / "recipes"
#: Of every paper recipe, as small as it gets.
SMALL = {
    "truepose": {"base": UNET},
    "mcld": {"base": UNET, "face_projector": OPTIONS["mcld"].face_projector},
    "pcdms_prior": {"shape": OPTIONS["pcdms_prior"].shape},
    "pcdms_inpainting": {"base": UNET, "hidden": 16},
    "pcdms_refining": {"base": UNET, "hidden": 16},
    "reposedm": {"base": UNET, "features": 16, "hidden": 16, "field": 0.0},
    "reposesd": {"base": UNET, "field": 0.0},
    "imagpose": {"base": UNET, "autoencoder": None},
}
PAPERS = sorted(file.stem for file in RECIPES.glob("paper_*.yaml"))


@pytest.fixture(autouse=True)
def training():
    with torch.inference_mode(False), torch.enable_grad():
        yield


def small(name: str, size: tuple[int, int] | None = None, **changes) -> Recipe:
    recipe = read_recipe(RECIPES / f"{name}.yaml")
    data = replace(recipe.data, size=size or recipe.data.size)
    options = replace(recipe.options, **SMALL[recipe.method] | changes)
    if recipe.method == "imagpose" and size:
        # The reference's latent has to hold a patch, whatever the size.
        options = replace(options, patch=4)
    return replace(recipe, data=data, options=options)


class TestSizes:
    @pytest.mark.parametrize("size", [(128, 64), (256, 176)])
    @pytest.mark.parametrize(
        "name", ["paper_truepose", "paper_pcdms_inpainting", "paper_pcdms_refining", "paper_reposedm"]
    )
    def test_every_size_trains(self, name, size):
        cost = dry_run.dry_run(small(name, size))
        assert cost.size == cost.shown == size and cost.moved > 0.9 * cost.tensors

    @pytest.mark.parametrize("size", [(128, 64), (256, 192)])
    def test_tiles_of_every_size_train(self, size):
        cost = dry_run.dry_run(small("paper_imagpose_text", size))
        assert cost.moved > 0.9 * cost.tensors

    def test_a_tile_that_levels_cannot_halve_is_a_sentence(self):
        four = SmallUNet((32, 32, 32, 32), (True, True, True, False), 1, 16)
        with pytest.raises(TrainingError, match="make no tiles"):
            dry_run.dry_run(small("paper_imagpose_text", (256, 176), base=four))

    def test_larger_pictures_are_more_work(self):
        costs = [dry_run.dry_run(small("paper_truepose", size), pictures=(64, 48)) for size in ((64, 48), (128, 96))]
        assert costs[0].shown == costs[1].shown == (64, 48)
        least, most = costs[0].work, costs[1].work
        assert 3.5 < most.operations / least.operations < 6 and most.memory > 2 * least.memory

    def test_a_store_of_another_size_is_refused(self):
        data = replace(small("paper_truepose").data, size=(64, 48))
        check_size(NoisePeople(), data)
        check_size(NoisePeople(), replace(data, size=None))
        with pytest.raises(TrainingError, match=r"are 64×48, and the recipe is for 512×352.*size=512x352"):
            check_size(NoisePeople(), replace(data, size=(512, 352)))

    def test_the_command_line_says_sizes(self, tmp_path, capsys):
        from training_people import store

        folder = store(NoisePeople(), tmp_path / "people")
        wrong = [str(RECIPES / "paper_truepose.yaml"), f"data.people={folder}", "data.held_out=null"]
        assert train([*wrong, "data.size=[256,176]"]) == 1
        assert "the recipe is for 256×176" in capsys.readouterr().err


class TestOf:
    def written(self, folder: Path, **files: str) -> Path:
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(text)
        return folder / "own.yaml"

    def test_what_it_says_itself_counts(self, tmp_path):
        first = "method: truepose\nsteps: 3\nbatch: 2\nout: a\noptions: {drop: 0.5, count: 3}\ndata: {people: x}\n"
        own = self.written(tmp_path, first=first, own="of: first.yaml\nsteps: 7\noptions: {drop: 0.25}\n")
        recipe = read_recipe(own, {"batch": 9})
        assert (recipe.steps, recipe.batch, recipe.options.drop, recipe.options.count) == (7, 9, 0.25, 3)

    @pytest.mark.parametrize("other, words", [("own", "made of itself"), ("gone", "cannot be read")])
    def test_others_are_sentences(self, tmp_path, other, words):
        with pytest.raises(TrainingError, match=words):
            read_recipe(self.written(tmp_path, own=f"of: {other}.yaml\nsteps: 7\n"))

    @pytest.mark.parametrize("name", ["truepose", "imagpose"])
    def test_sdxl_recipes_are_on_sdxl(self, name):
        recipe = read_recipe(RECIPES / f"paper_{name}_sdxl.yaml")
        assert recipe.method == name and architecture_of(recipe.options.base) == "SDXL"


class TestStandIns:
    @pytest.mark.parametrize("name", PAPERS)
    def test_every_paper_recipe_takes_two_steps(self, name):
        size = (128, 64) if "imagpose" in name else (64, 48)
        cost = dry_run.dry_run(small(name, size))
        # Cross-attention to a single zero token is told nothing by TruePose's and MCLD's own prompts.
        assert cost.moved > 0.85 * cost.tensors and cost.work.operations > 0 and cost.work.memory > 0
        assert cost.losses[0] != cost.losses[1]

    def test_half_precision_without_states_trains_too(self, monkeypatch):
        monkeypatch.setattr(dry_run, "_fitting", lambda *given: (torch.bfloat16, False, "so"))
        cost = dry_run.dry_run(small("paper_pcdms_prior"))
        assert cost.moved == cost.tensors

    def test_the_autoencoder_is_counted(self):
        with_files, without = (
            dry_run.dry_run(small("paper_imagpose_stage1", (64, 64), autoencoder=file)) for file in (Path("x"), None)
        )
        assert with_files.work.operations > 2 * without.work.operations

    @pytest.mark.parametrize("architecture, millions", [("SD1.5", 859.5), ("SD2.1", 865.9), ("SDXL", 2567.5)])
    def test_unets_are_as_large_as_published(self, architecture, millions):
        with torch.device("meta"):
            unet = PublishedUNet(architecture).build(0)
        assert sum(weight.numel() for weight in unet.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
        heads = heads_of(unet)
        assert (heads.number, heads.width) == ((8, None) if architecture == "SD1.5" else (None, 64))

    def test_a_folder_whose_name_tells_nothing(self):
        assert [architecture_of(Path(f"models/{name}")) for name in ("stable-diffusion-2-1-base", "SDXL-base")] == [
            "SD2.1",
            "SDXL",
        ]
        with pytest.raises(TrainingError, match=f"--base {' or '.join(SIZES)}"):
            architecture_of(Path("models/mine"))

    def test_small_ones_can_be_of_sdxls_layout(self):
        assert dry_run.dry_run(small("paper_truepose_sdxl", (64, 48), base=XL)).losses[1] > 0


class TestCounting:
    def layers(self) -> nn.Module:
        with torch.device("meta"):
            return nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 4))

    def test_a_product_is_two_operations_for_each_of_its_terms(self):
        network = self.layers()
        given = torch.empty(5, 8, device="meta")
        forward = 2 * 5 * (8 * 16 + 16 * 4)
        assert counted(lambda: network(given), network).operations == forward
        # Backward each layer's weights, and what all but the first were given.
        both = counted(lambda: network(given).sum().backward(), network)
        assert both.operations == 2 * forward + 2 * 5 * 16 * 4

    def test_memory_is_of_what_is_there_at_once(self):
        network, given = self.layers(), torch.empty(5, 8, device="meta")
        kept = counted(lambda: network(given), network).memory
        assert kept == 4 * 5 * (16 + 4)
        with torch.no_grad():
            longer = nn.Sequential(*[nn.Linear(8, 8, device="meta") for _ in range(9)])
            assert counted(lambda: longer(given), longer).memory <= 3 * 4 * 5 * 8

    def test_gradients_are_taken_as_they_come(self):
        network = nn.Linear(3, 2)
        before = network.weight.detach().clone()
        moving = costs.Fingerprints(list(network.parameters()))
        with costs.Arriving(list(network.parameters()), adam=False, rate=0.25):
            network(torch.ones(1, 3)).sum().backward()
        assert torch.allclose(network.weight, before - 0.25) and network.weight.grad is None and moving.moved() == 2
        network(torch.ones(1, 3)).sum().backward()
        assert torch.allclose(network.weight, before - 0.25), "behind the block nothing is taken"

    def test_hours_are_of_operations(self):
        assert costs.gpu_hours(312e12 * 3600, "A100", 0.5) == pytest.approx(2)


class TestCommand:
    def test_it_says_what_it_did_and_how_it_estimates(self, tmp_path, capsys):
        file = tmp_path / "own.yaml"
        file.write_text(
            "method: truepose\nsteps: 10\nbatch: 4\nout: a\nema: 0.9\ndata: {people: x, size: [64, 48]}\n"
            "options: {base: {widths: [32, 32], attends: [true, false], layers: 1, context_dim: 16}}\n"
        )
        assert dry_run.main([str(file), "--processes", "2", "steps=20"]) == 0
        said = capsys.readouterr().out
        assert all(words in said for words in ("64×48", "AdamW in float32", "2 A100", "the average", "20 steps"))
        assert "2 × a source and 1 target" in said

    def test_without_a_size_it_is_a_sentence(self, tmp_path, capsys):
        file = tmp_path / "own.yaml"
        file.write_text("method: truepose\nsteps: 10\nbatch: 4\nout: a\ndata: {people: x}\n")
        assert dry_run.main([str(file)]) == 1
        assert "data.size=[512,352]" in capsys.readouterr().err

    def test_what_does_not_fit_is_a_sentence(self):
        with pytest.raises(TrainingError, match="numbers in bfloat16 need"):
            dry_run.dry_run(small("paper_pcdms_prior"), memory=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_full_size(name, capsys):
    """Every paper recipe as it is: hours on two cores, and up to 13 GiB of memory."""
    assert dry_run.main([str(RECIPES / f"{name}.yaml")]) == 0
    said = capsys.readouterr().out
    say(f"\n{name}\n{said}")
    moved, tensors = (int(word) for word in said.split("; ")[1].split(" tensors")[0].split(" of "))
    assert moved > 0.7 * tensors
