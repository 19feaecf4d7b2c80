"""Training of IMAGPose: joint pictures, what each part of it does, its stages, and one picture in both hosts."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import comfy.model_base
import comfy.sd
import comfy.utils
import numpy as np
import pytest
import torch
from field_in_comfy import guided_in_comfy
from host_ddim import STEPS, begun, sampled
from imagpose_models import awake, made, with_steps, write_vae
from mannequin.model_patches.attention.cva import AFTER_ATTENTION, AFTER_LAYERS
from mannequin.model_patches.comfy_blocks import transformer_blocks as blocks_in_comfy
from mannequin.model_patches.comfy_cva import _widths
from mannequin.model_patches.comfy_dino import load_dino as dino_in_comfy
from mannequin.model_patches.comfy_inputs import INPUTS, Inputs
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.dino import BY_SCALE
from mannequin.model_patches.weight_kinds.imagpose import CVA_MODULES, IMAGPOSE_MODEL, imagpose_metadata
from mannequin.nodes.cva import MannequinApplyCVA
from mannequin.nodes.imagpose import MannequinJointViews, MannequinSplitViews
from mannequin.nodes.imagpose_conditioning import MannequinIMAGPoseConditioning
from reposedm_files import field_files
from safetensors.torch import load_file, save_file
from small import APPLY
from small_methods import OPTIONS, UNET, VIEWS, XL, recipe
from training_people import NoiseViews

from training.ablations import ABLATIONS
from training.autoencoders import load_autoencoder
from training.data.records import Record
from training.draws import Draws
from training.errors import TrainingError
from training.examples import Examples, collate
from training.field_guided import FieldUse, load_field_guided
from training.loop import Run
from training.methods import METHODS
from training.methods.base import skeleton
from training.methods.imagpose import IMAGPose
from training.methods.imagpose_options import IMAGPoseOptions
from training.methods.joint_pictures import Arrangement, drawn, laid_out, views_of
from training.objectives import Schedule
from training.preprocessing.dino import load_dino
from training.preprocessing.step import Setup
from training.sampling import load_method, read_pairs
from training.small_dino import write_small_dino
from training.view_binding import view_layers

GUIDANCE = 2.0
EPSILON = Schedule("linear")


def trained(folder: Path, people=None, **changes) -> Path:
    """Two steps."""
    begun = recipe(folder, "imagpose", steps=2, **VIEWS)
    with torch.inference_mode(False), torch.enable_grad():
        return Run(replace(begun, options=replace(begun.options, **changes)), people or NoiseViews()).train()


def batch_of(method: IMAGPose, rows: int = 2, people=None) -> dict[str, torch.Tensor]:
    with torch.inference_mode(False):
        examples = Examples(method, people or NoiseViews(), 0, targets=3, drawn=True)
        batch = collate([examples[number] for number in range(rows)])
    del batch["number"]
    return batch


@torch.no_grad()
def loss(method: IMAGPose, batch, step: int = 0) -> dict[str, float]:
    draws = Draws(0, range(len(batch["target_skeleton"])), step)
    return {name: float(value) for name, value in method(batch, draws).items()}


def pair() -> tuple:
    people = NoiseViews()
    return people.record("p0-v0"), people.record("p1-v1")


class TestJointPictures:
    def test_tiles_show_the_views_that_are_said(self):
        views = torch.arange(4.0).view(1, 4, 1, 1, 1).expand(2, 4, 1, 2, 3)
        joint = Arrangement(
            torch.tensor([[2, 0, 3, 1], [0, 1, 2, 3]]), torch.tensor([[True, True, False, False], [True] + 3 * [False]])
        )
        assert joint.joint(views)[0, 0, ::2, ::3].tolist() == [[2, 0], [3, 1]]
        assert joint.joint(views, joint.visible, torch.tensor(-1.0))[0, 0, ::2, ::3].tolist() == [[2, 0], [-1, -1]]
        assert joint.flags(4, 6)[0, 0, ::2, ::3].tolist() == [[1, 1], [0, 0]]
        assert joint.alone.tolist() == [False, True]

    def test_one_to_three_tiles_are_hidden_and_never_the_reference(self):
        joint = drawn(Draws(0, range(300), 0), (1, 3))
        hidden = 4 - joint.visible.sum(1)
        assert hidden.unique(return_counts=True)[0].tolist() == [1, 2, 3]
        assert float(hidden.unique(return_counts=True)[1].min()) > 70
        reference = joint.views.argmin(1)
        assert joint.visible.gather(1, reference[:, None]).all()
        assert reference.unique().tolist() == [0, 1, 2, 3] and joint.views.sort(1).values.unique(dim=0).shape == (1, 4)

    def test_as_the_paper_has_it_all_four_may_be_hidden(self):
        hidden = 4 - drawn(Draws(0, range(300), 0), (1, 4)).visible.sum(1)
        assert hidden.unique().tolist() == [1, 2, 3, 4]

    @pytest.mark.parametrize(
        ("sources", "targets", "fill", "views", "visible"),
        [
            (1, 1, "automatic", [0, 1, 1, 1], [1, 0, 0, 0]),
            (1, 1, "sources", [0, 0, 0, 1], [1, 1, 1, 0]),
            (3, 1, "automatic", [0, 1, 2, 3], [1, 1, 1, 0]),
            (1, 3, "automatic", [0, 1, 2, 3], [1, 0, 0, 0]),
        ],
    )
    def test_scenarios_are_the_nodes(self, sources, targets, fill, views, visible):
        method = made()
        layout = method.layout(read_pairs(method, [pair()]), sources, targets, fill)
        joint = laid_out(layout, 2, torch.device("cpu"))
        assert joint.views.tolist() == [views] * 2 and joint.visible.int().tolist() == [visible] * 2

    def test_what_is_given_is_black_where_it_is_generated(self):
        """A reference alone in the first tile is what was encoded with its black; else tiles are put together."""
        method, black = made(), slice(8, 16)
        batch = batch_of(method)
        joint = Arrangement(
            torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]]), torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0]]).bool()
        )
        given, own = method.latents.given(batch, joint), views_of(batch, "latent")
        assert torch.equal(given[0], batch["views_latent"][0])
        assert torch.equal(given[1, :, :8], torch.cat([own[1, 1], own[1, 0]], -1))
        blank = batch["views_latent"][1, :, 8:, 6:]
        assert torch.equal(given[1, :, black], torch.cat([blank, blank], -1))


@pytest.fixture(scope="module")
def vae(tmp_path_factory) -> Path:
    return write_vae(tmp_path_factory.mktemp("vae") / "vae.safetensors")


class TestEncoded:
    """Joint pictures that an autoencoder encodes in every step, as published."""

    def both(self, vae) -> tuple:
        """Rows of one person, as the two ways read them; the data's latents are computed as users compute them."""
        people = with_steps(["latent", "views_latent", "large_latent"], Setup(vae=vae))
        methods = made(), made(autoencoder=vae)
        return methods, [batch_of(method, 1, people) for method in methods]

    def test_a_reference_alone_in_the_first_tile_is_the_same_from_the_data(self, vae):
        (stored, encoded), (latents, images) = self.both(vae)
        assert "source_image" in images and not [key for key in images if key.endswith("latent")]
        joint = Arrangement(torch.tensor([[0, 1, 2, 3]]), torch.tensor([[True, False, False, False]]))
        for name, arguments in (("given", [joint]), ("large", [])):
            ours, theirs = (
                getattr(method.latents, name)(batch, *arguments)
                for method, batch in ((stored, latents), (encoded, images))
            )
            assert ours.shape == (1, 4, 16, 12) and float((ours - theirs).abs().max()) < 1e-4, name
        assert float((stored.latents.of(latents, "target") - encoded.latents.of(images, "target")).abs().max()) < 1e-4

    def test_other_rows_are_encoded_as_one_and_differ_at_the_seams_alone(self, vae):
        (stored, encoded), (latents, images) = self.both(vae)
        joint = Arrangement(torch.tensor([[2, 0, 1, 3]]), torch.tensor([[True, True, True, False]]))
        for name in ("clean", "given"):
            one, other = (
                getattr(method.latents, name)(batch, joint) for method, batch in ((stored, latents), (encoded, images))
            )
            assert 1e-4 < float((one - other).abs().mean()) < 0.2 * float(one.std()), name

    def test_it_trains_and_samples_without_latents(self, vae):
        _, (_, images) = self.both(vae)
        method = made(autoencoder=vae)
        assert loss(method, images) != loss(method, {**images, "target_image": images["target_image"].flip(1)})
        batch = read_pairs(method, [pair()])
        noise = torch.randn(1, *method.noise_shape(batch))
        assert method.sample(batch, noise, 1).shape == (1, 4, 8, 6)


class TestParts:
    @pytest.mark.parametrize(
        "what",
        [
            "source_skeleton",
            "target_skeleton",
            "source_latent",
            "target_latent",
            "views_latent",
            "large_latent",
            "dino",
        ],
    )
    def test_every_condition_reaches_the_loss(self, what):
        method = made()
        batch = batch_of(method)
        assert loss(method, batch) != loss(method, {**batch, what: batch[what].flip(-1)})

    def test_every_ablation_is_another_network_that_trains(self):
        losses, channels = {"whole": loss(made(), batch_of(made()))["diffusion"]}, {}
        for label, changes in ABLATIONS["imagpose"].items():
            options = {key.removeprefix("options."): value for key, value in changes.items()}
            if not options or "correspondence" in options:
                continue
            method = made(**options)
            channels[label] = method.denoising.config.in_channels
            with torch.inference_mode(False), torch.enable_grad():
                terms = method(batch_of(method), Draws(0, range(6), 0))
                sum(terms.values()).backward()
            idle = [name for name, p in method.named_parameters() if p.requires_grad and p.grad is None]
            assert idle == [], label
            losses[label] = float(terms["diffusion"].detach())
        assert len(set(losses.values())) == len(losses), losses
        assert channels == {"B0": 5, "B1": 5, "B2": 5, "B3": 9, "B4": 9, "M1": 4, "after cross-attention": 9}

    def test_what_an_ablation_leaves_out_is_not_read(self):
        """Neither from the data nor from a batch."""
        method = made(**{key.removeprefix("options."): v for key, v in ABLATIONS["imagpose"]["B0"].items()})
        batch = batch_of(method)
        assert not batch.keys() & {"views_latent", "large_latent"} and not len(method.modules_.cva)
        tensors, _ = method.weights()
        assert not [key for key in tensors if key.startswith(("cva.", "flc.proj."))]
        method.load_weights(tensors)

    def test_views_along_the_batch_know_of_each_other_by_cross_view_attention_alone(self):
        """One view's noise changes what is said of another."""
        options = {"views": "batch", "image": False, "texture": False}
        batch, x = batch_of(made(**options), 1), torch.randn(3, 4, 8, 6)
        other, timesteps = torch.cat([x[:2], x[2:] + 1]), torch.tensor([500] * 3)
        for cva, alike in ((AFTER_LAYERS, False), ("none", True)):
            method = made(**options, cva=cva)
            with torch.no_grad():
                told = method.told_batch(batch["target_skeleton"][None], method.references(batch))
                one, two = (method.predict(given, timesteps, told)[0] for given in (x, other))
            assert torch.allclose(one, two, atol=1e-6) == alike

    def test_views_along_the_batch_share_their_step_and_not_their_noise(self):
        method = made(views="batch", image=False, texture=False, noise_offset=0.0)
        noisy, truth, timesteps = method._noisy_batch(torch.zeros(6, 4, 8, 6), Draws(0, [0, 3], 0))
        assert timesteps[:3].unique().shape == timesteps[3:].unique().shape == (1,)
        assert timesteps[0] != timesteps[3] and not torch.equal(noisy[0], noisy[1])

    def test_gradients_are_the_same_with_checkpointing(self):
        """Layers run once more when the forward pass is over, and views meet behind them again."""
        gradients = []
        for checkpointing in (False, True):
            method = made(checkpointing=checkpointing, correspondence=0.3).train()
            with torch.inference_mode(False), torch.enable_grad():
                sum(method(batch_of(method, 1), Draws(0, range(3), 0)).values()).backward()
            gradients.append(torch.cat([p.grad.flatten() for p in method.trained()]))
        assert torch.allclose(*gradients, atol=1e-6) and gradients[0].any()

    def test_a_copy_is_of_its_own(self):
        """Averages are copied and written while training goes on."""
        method = made()
        batch, twin = batch_of(method), copy.deepcopy(method)
        with torch.no_grad():
            twin.modules_.cva["middle_0_0"].proj_out.weight.add_(1.0)
        assert loss(twin, batch) != loss(method, batch) == loss(copy.deepcopy(method), batch)

    def test_several_pictures_are_what_each_is_alone(self):
        method = made()
        batch = batch_of(method)
        rows = [{k: v[n : n + 1] if len(v) == 2 else v[3 * n : 3 * n + 3] for k, v in batch.items()} for n in range(2)]
        with torch.no_grad():
            apart = [sum(method(row, Draws(0, range(3 * n, 3 * n + 3), 0)).values()) for n, row in enumerate(rows)]
            together = sum(method(batch, Draws(0, range(6), 0)).values())
        assert float(together) == pytest.approx(float(sum(apart)) / 2, rel=1e-5)

    def test_tiles_weigh_as_they_are_told(self):
        """Given tiles count nothing, backgrounds a half: the generated people's share is left, and half the rest."""
        method = made(given=0.0, background=0.5)
        joint = Arrangement(torch.tensor([[0, 1, 2, 3]]), torch.tensor([[True, True, False, False]]))
        batch = batch_of(method, 1)
        labels = joint.joint(views_of(batch, "parsing")[:, :, None])[:, 0]
        place = method.place_weights({"visible": joint.flags(16, 12), "parsing": labels}, (16, 12))
        person = torch.nn.functional.adaptive_avg_pool2d((labels > 0).float()[:, None], (16, 12))
        assert not place[..., :8, :].any()
        assert torch.allclose(place[..., 8:, :], 0.5 + 0.5 * person[..., 8:, :])


class TestDrops:
    def test_shares_are_those_that_are_said_and_exclude_each_other(self):
        method = made(drop_dino=0.2, drop_texture=0.3, drop_both=0.1)
        drops = method._drops(Draws(0, range(2000), 0)).float()
        dino, texture = drops.unbind(1)
        shares = [float(each.mean()) for each in (dino * (1 - texture), texture * (1 - dino), dino * texture)]
        assert shares == pytest.approx([0.2, 0.3, 0.1], abs=0.03)

    @pytest.mark.parametrize(
        ("option", "gone", "kept"), [("drop_dino", "dino", "large_latent"), ("drop_texture", "large_latent", "dino")]
    )
    def test_what_is_dropped_is_not_read(self, option, gone, kept):
        method = made(**{option: 1.0})
        batch = batch_of(method)
        assert loss(method, batch) == loss(method, {**batch, gone: batch[gone] + 1})
        assert loss(method, batch) != loss(method, {**batch, kept: batch[kept].flip(-1)})

    def test_both_dropped_is_the_null_condition_that_is_sampled_with(self):
        """Zero tokens; as published they are DINOv2's of zero pixels, and the convolution's of a latent of zeros."""
        method = made()
        dino, large, gone = torch.randn(1, 257, 24), torch.randn(1, 4, 16, 12), torch.ones(1, 2).bool()
        with torch.no_grad():
            assert not method.context(dino, large, gone).any() and method.context(dino, large).any()
            method.blank_tokens = torch.ones(257, 24)
            context = method.context(dino, large, gone)
            expected = method.modules_.flc(torch.zeros_like(large), torch.ones(1, 257, 24))
        assert torch.equal(context, expected) and context.any()


class TestSupervision:
    def test_a_generated_view_is_taught_to_look_at_its_place_in_what_is_given(self):
        method = made(correspondence=1.0)
        batch = batch_of(method)
        with torch.inference_mode(False), torch.enable_grad():
            optimizer = torch.optim.Adam(method.trained(), 3e-3)
            errors = []
            for _ in range(15):
                terms = method(batch, Draws(0, range(6), 0))
                errors.append(float(terms["correspondence"].detach()))
                optimizer.zero_grad()
                terms["correspondence"].backward()
                optimizer.step()
        assert errors[-1] < 0.85 * errors[0]
        assert "correspondence" not in loss(made(), batch)

    def test_given_tiles_are_not_taught_and_generated_ones_are_not_looked_at(self):
        from training.correspondence import Correspondence
        from training.methods.joint_looking import joint_surfaces

        batch = batch_of(made(correspondence=1.0), 1)
        joint = Arrangement(torch.tensor([[0, 1, 2, 3]]), torch.tensor([[True, False, True, False]]))
        views, seen = joint_surfaces(batch, joint)
        wanted = Correspondence(views, seen).wanted((8, 6), (8, 6)).view(8, 6, 8, 6)
        left, right = slice(0, 3), slice(3, 6)
        assert not wanted[:, left].any() and not wanted[:, :, :, right].any()
        assert wanted[:, right, :, left].sum((-1, -2)).max() > 0.99


class TestStages:
    def test_the_second_trains_cross_view_attention_alone_and_begins_from_the_first(self, tmp_path):
        first = trained(tmp_path / "first", cva="none")
        motion = tmp_path / "motion.safetensors"
        with torch.inference_mode(False):
            modules = IMAGPose(OPTIONS["imagpose"], 3).modules_
        state = {key: value for key, value in modules.state_dict().items() if key.startswith("cva.")}
        state = {key: value[:, :24].contiguous() if key.endswith(".pe") else value for key, value in state.items()}
        save_file(state, motion, imagpose_metadata())
        load_weights(CVA_MODULES, dict(state), "motion", imagpose_metadata())
        second = trained(tmp_path / "second", train="cva", begin=(first, motion))
        before, after = load_file(first), load_file(second)
        assert all(torch.equal(after[key], before[key]) for key in before)
        moved = [key for key in after if key not in before and key in state and not key.endswith(".pe")]
        changes = [float((after[key] - state[key]).abs().max()) for key in moved]
        assert len(moved) > 20 and max(changes) > 0 and max(changes) < 0.02, "two steps away from the motion module"
        third = trained(tmp_path / "third", begin=(second,))
        assert not torch.equal(
            load_file(third)["denoising_unet.conv_in.weight"], before["denoising_unet.conv_in.weight"]
        )

    def test_other_files_are_told_apart(self, tmp_path):
        method = made(begin=(tmp_path / "nothing.safetensors",))
        with pytest.raises(TrainingError, match="cannot begin from .*weights.safetensors of an earlier run or stage"):
            method.begin()
        save_file({"cva.input_1_0.proj_in.weight": torch.zeros(5, 5)}, tmp_path / "nothing.safetensors")
        with pytest.raises(TrainingError, match="1 of its 1 tensors are not in this network"):
            method.begin()

    def test_weights_do_not_need_what_training_began_from(self, tmp_path):
        """Nor the autoencoder: another machine has them elsewhere."""
        begun = made(begin=(tmp_path / "gone",), autoencoder=tmp_path / "gone")
        assert begun.options.begin


class TestBackbones:
    """Another method's UNet, under which IMAGPose begins."""

    def written(self, tmp_path: Path, method: str, **changes) -> tuple[Path, dict[str, torch.Tensor]]:
        file, options = tmp_path / "other.safetensors", OPTIONS[method]
        other = METHODS[method](replace(options, **changes), 5)
        tensors, header = other.weights()
        save_file({key: value.contiguous() for key, value in tensors.items()}, file, header)
        return file, tensors

    @pytest.mark.parametrize("method", ["truepose", "pcdms_inpainting"])
    def test_what_both_unets_have_is_the_other_methods(self, tmp_path, method):
        file, theirs = self.written(tmp_path, method)
        begun, fresh = made(backbone=file), made()
        begun.begin()
        fresh_state = fresh.denoising.state_dict()
        for key, mine in begun.denoising.state_dict().items():
            if "attn2" in key:
                assert torch.equal(mine, fresh_state[key]), "cross-attention is of another context"
            elif key == "conv_in.weight":
                shared = min(mine.shape[1], theirs[f"denoising_unet.{key}"].shape[1])
                assert torch.equal(mine[:, :shared], theirs[f"denoising_unet.{key}"][:, :shared])
                assert torch.equal(mine[:, shared:], fresh_state[key][:, shared:])
            else:
                assert torch.equal(mine, theirs[f"denoising_unet.{key}"].reshape(mine.shape)), key

    def test_one_of_other_sizes_is_refused(self, tmp_path):
        file, _ = self.written(tmp_path, "truepose", base=replace(UNET, widths=(64, 64)))
        with pytest.raises(TrainingError, match="trained with the same base"):
            made(backbone=file).begin()

    def test_one_that_is_gone_is_a_sentence(self, tmp_path):
        with pytest.raises(TrainingError, match="cannot begin from .*nothing.*same base"):
            made(backbone=tmp_path / "nothing.safetensors").begin()


class TestBadOptions:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"views": "batch"}, "set image to false"),
            ({"train": "cva", "cva": "none"}, "no cross-view attention to train"),
            ({"hidden": (3, 1)}, "1 to 4 can be hidden"),
            ({"schedule": EPSILON}, "give schedule and sampling one prediction"),
            ({"schedule": EPSILON, "sampling": Schedule("scaled_linear")}, "set sampling to one of these"),
        ],
    )
    def test_they_are_said(self, changes, words):
        with pytest.raises(ValueError, match=words):
            IMAGPoseOptions(**changes)

    def test_other_numbers_of_views(self):
        method = made()
        with pytest.raises(TrainingError, match="4 views of a person and not 2: set data.targets to 3"):
            method(read_pairs(method, [pair()]), Draws(0, [0], 0))

    def test_tiles_that_levels_cannot_halve(self):
        method = made()
        batch = batch_of(method, 1, NoiseViews(size=(64, 56)))
        with pytest.raises(TrainingError, match="56×64 make no tiles .* multiples of 16"):
            method(batch, Draws(0, range(3), 0))

    def test_patches_larger_than_the_latent(self):
        method = made(patch=16)
        with pytest.raises(TrainingError, match="Latents of 12×16, .* one patch of 16: set options.patch to less"):
            method.sample(read_pairs(method, [pair()]), torch.zeros(1, 4, 16, 12))


def test_the_sampler_never_reads_the_targets_picture():
    method = made().eval()
    source, target = pair()
    blind = replace(target, fields={**target.fields, "latent": np.full_like(target.fields["latent"], 7)})
    shown = []
    for each in (target, blind):
        batch = read_pairs(method, [(source, each)])
        noise = torch.randn(1, *method.noise_shape(batch), generator=torch.Generator().manual_seed(1))
        shown.append(method.sample(batch, noise, 2, GUIDANCE))
    assert torch.equal(*shown) and shown[0].shape == (1, 4, 8, 6)


def test_along_the_batch_a_sample_is_one_of_three_views():
    method = made(views="batch", image=False, texture=False).eval()
    batch = read_pairs(method, [pair(), pair()[::-1]])
    noise = torch.randn(2, *method.noise_shape(batch), generator=torch.Generator().manual_seed(1))
    both = method.sample(batch, noise, 2, GUIDANCE)
    alone = method.sample(read_pairs(method, [pair()[::-1]]), noise[1:], 2, GUIDANCE)
    assert both.shape == (2, 4, 8, 6) and torch.allclose(both[1:], alone, atol=1e-5)


@pytest.mark.parametrize("placement", [AFTER_LAYERS, AFTER_ATTENTION])
def test_views_meet_after_the_same_layers_in_both_hosts(placement):
    from small import model

    host = _widths(model(), placement)
    base = replace(UNET, widths=(32, 64, 128, 128), attends=(True, True, True, False), layers=2)
    with torch.inference_mode(False):
        layers = view_layers(base.build(0), placement)
    assert [tuple(site) for site in layers] == [tuple(site) for site in host]
    assert [layer.out_channels for layer in layers.values()] == list(host.values())


#: What is trained differently, beside the usual: as the demo has it, with latents of its own and two heads; as the
#: paper says.
HOSTS = {
    "usual": {},
    "demo": {"base": replace(UNET, channels=16, heads=2)},
    "paper": {"schedule": EPSILON, "sampling": EPSILON, "cva": AFTER_ATTENTION},
    "SDXL": {"base": XL},
}


@pytest.mark.parametrize("name", HOSTS)
def test_one_picture_of_one_noise_in_both_hosts(tmp_path, name):
    changes = HOSTS[name]
    channels = changes.get("base", UNET).channels
    file = trained(tmp_path, NoiseViews(channels=channels), **changes)
    method = load_method(file)
    state, metadata = comfy.utils.load_torch_file(str(file), return_metadata=True)
    model, imagpose = load_weights(IMAGPOSE_MODEL, state, "imagpose", metadata)
    assert {block.attn1.heads for block in blocks_in_comfy(model).values()} == {2 if name in ("demo", "SDXL") else 8}
    assert isinstance(model.model, comfy.model_base.SDXL) == (name == "SDXL")
    for modules in (method.modules_, imagpose.model):
        awake(modules)
    people = NoiseViews(channels=channels)
    batch = read_pairs(method, [(people.record("p0-v0"), people.record("p1-v1"))])
    noise = torch.randn(1, *method.noise_shape(batch), generator=torch.Generator().manual_seed(0))

    network = imagpose.model
    context = network.flc(batch["large_latent"], batch["dino"].float())
    poses = [batch["source_skeleton"], *[batch["target_skeleton"]] * 3]
    rows = [torch.cat(poses[row : row + 2], 2) for row in (0, 2)]
    pose = torch.cat(rows, 1).movedim(-1, 1).float() / 255
    flag = torch.zeros(1, 1, 16, 12)
    flag[..., :8, :6] = 1
    given = Inputs(model.model.process_latent_out(batch["views_latent"]), flag, features=network.pose_guider(pose))
    placement = changes.get("cva", AFTER_LAYERS)
    seen = MannequinApplyCVA.execute(model, imagpose, placement, "2×2 tiles", "all", **APPLY).result[0]
    ours = method.sample(batch, begun(model, noise), STEPS, GUIDANCE)
    nothing = torch.zeros_like(context)
    conditions = [[context, {INPUTS: given}]], [[nothing, {INPUTS: given.as_null()}]]
    theirs, alone = (sampled(patched, *conditions, noise, GUIDANCE) for patched in (seen, model))
    assert float((ours - theirs[..., :8, 6:]).abs().max()) < 1e-3
    assert float((ours - alone[..., :8, 6:]).abs().max()) > 1e-2, "views that do not know of each other"


class BothHosts(NamedTuple):
    """One source and one pose in training, and in the host by its nodes."""

    file: Path
    method: IMAGPose
    batch: dict[str, torch.Tensor]
    target: Record
    noise: torch.Tensor
    model: Any
    imagpose: Any
    vae: Any
    joint: tuple
    conditions: tuple


@pytest.fixture
def both_hosts(tmp_path, vae) -> BothHosts:
    write_small_dino(tmp_path / "dino.safetensors")
    setup = Setup(vae=vae, dino=tmp_path / "dino.safetensors")
    people = with_steps(["latent", "views_latent", "large_latent", "dino"], setup)
    file = trained(tmp_path, people, dino_dim=64)
    method = load_method(file)
    state, metadata = comfy.utils.load_torch_file(str(file), return_metadata=True)
    model, imagpose = load_weights(IMAGPOSE_MODEL, state, "imagpose", metadata)
    for modules in (method.modules_, imagpose.model):
        awake(modules)
    source, target = people.record("p0-v0"), people.record("p1-v1")
    batch = read_pairs(method, [(source, target)])
    # The data keep tokens in half precision.
    batch["dino"] = load_dino(tmp_path / "dino.safetensors")(torch.tensor(source.image)[None] / 255)
    noise = torch.randn(1, *method.noise_shape(batch), generator=torch.Generator().manual_seed(0))

    photo = torch.tensor(source.image)[None] / 255
    poses = [skeleton(each, "IMAGPose")[None] / 255 for each in (source, target)]
    tiles = {"width": 48, "height": 64, "canvas": "2×2", "free_tiles": "automatic", "on_no_person": "error"}
    joint = MannequinJointViews.execute(photo, *poses, **tiles, tile_multiple=16).result
    host_vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(vae)), dtype=torch.float32)
    state, metadata = comfy.utils.load_torch_file(str(tmp_path / "dino.safetensors"), return_metadata=True)
    dino = dino_in_comfy(state, "dino", metadata, BY_SCALE, torch.float32)
    positive, negative, _ = MannequinIMAGPoseConditioning.execute(imagpose, dino, host_vae, joint[0]).result
    seen = MannequinApplyCVA.execute(model, imagpose, AFTER_LAYERS, "2×2 tiles", "all", **APPLY).result[0]
    return BothHosts(file, method, batch, target, noise, seen, imagpose, host_vae, joint, (positive, negative))


def test_from_photos_to_a_picture_in_both_hosts(both_hosts, vae):
    """All of the way: the nodes' joint picture, poses, tokens and conditions; the data's steps."""
    method, batch, noise = both_hosts.method, both_hosts.batch, both_hosts.noise
    theirs = sampled(both_hosts.model, *both_hosts.conditions, noise, GUIDANCE)
    ours = method.scenario(batch, method.layout(batch), noise, STEPS, GUIDANCE)
    assert float((ours - theirs).abs().max()) < 1e-3
    decoded = both_hosts.vae.decode(both_hosts.model.model.process_latent_out(theirs))
    (picture,) = MannequinSplitViews.execute(decoded, both_hosts.joint[0], "one a pose").result
    shown = method.pictures(batch, noise, load_autoencoder(vae), STEPS, GUIDANCE)
    assert float((shown.clamp(-1, 1) - (picture.movedim(-1, 1) * 2 - 1)).abs().max()) < 2e-3


@pytest.mark.usefixtures("with_gradients")
def test_the_field_guides_both_hosts_alike(both_hosts, vae):
    """Every tile that is generated is looked at by itself, and the source's is not."""
    files, use = field_files() | {"decoder": vae}, FieldUse(0.1, "relative", 2)
    guided = load_field_guided(both_hosts.file, files["estimator"], load_autoencoder(vae), use)
    awake(guided.method.modules_)
    batch, noise = dict(both_hosts.batch), both_hosts.noise
    batch["field_pose"] = guided.read_target(both_hosts.target)["field_pose"][None]
    patched = guided_in_comfy(both_hosts.model, files, both_hosts.target, use, both_hosts.joint[5])
    theirs = sampled(patched, *both_hosts.conditions, noise, GUIDANCE)
    ours = guided.sample(batch, noise, STEPS, GUIDANCE)
    assert float((ours - theirs[..., :8, 6:]).abs().max()) < 1e-3 * float(ours.std())
    plain = both_hosts.method.sample(batch, noise, STEPS, GUIDANCE)
    assert float((ours - plain).abs().max()) > 2e-2 * float(ours.std())


@pytest.mark.usefixtures("with_gradients")
def test_the_field_guides_tiles_alone(tmp_path):
    """Views along the batch are refused, in a sentence."""
    file, files = trained(tmp_path, views="batch", texture=False, image=False), field_files()
    with pytest.raises(TrainingError, match="views along the batch \\(M1\\)"):
        load_field_guided(file, files["estimator"], load_autoencoder(files["decoder"]), FieldUse())
