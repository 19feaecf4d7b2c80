"""Latents of another number of channels than Stable Diffusion's four, through the host's own nodes."""

import copy
from dataclasses import replace

import comfy.latent_formats
import comfy.sample
import comfy.samplers
import comfy.sd
import folder_paths
import latent_preview
import pytest
import torch
from comfy.cli_args import LatentPreviewMethod
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.comfy_networks import load_file
from mannequin.model_patches.comfy_small_sd import seed_weights
from mannequin.model_patches.comfy_source import SourceNet
from mannequin.model_patches.comfy_unet import load_unet
from mannequin.model_patches.conditions import ReferenceCondition
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.unet_family import SD1, Heads
from mannequin.model_patches.unet_layout import UNetLayout
from mannequin.nodes.errors import NodeError
from mannequin.nodes.guidance import MannequinRegionBlendGuider
from mannequin.nodes.source import MannequinSourceNet
from small import DEFAULT, SIZES, difference, random
from small import model as hosts_own

import nodes as host_nodes
from training.autoencoders import SD_SCALE, TinyAutoencoder
from training.unets import small_unet

CHANNELS = 16
TWO_HEADS = replace(SD1, heads=Heads(number=2))
LAYOUT = UNetLayout((32, 64), (True, True), 1, 24, linear=False, in_channels=CHANNELS, out_channels=CHANNELS)
#: Of pictures; the latent's sides are an eighth.
HEIGHT, WIDTH = 88, 56
EMPTY = {"samples": torch.zeros(1, 4, HEIGHT // 8, WIDTH // 8)}
TEXT = [[random(1, 5, 24, seed=3), {}]]


def unet(channels: int = CHANNELS, seed: int = 0, family=TWO_HEADS):
    """The same UNet in both hosts: a MODEL, and diffusers'."""
    network = small_unet(replace(LAYOUT, in_channels=channels, out_channels=channels), seed, family).eval()
    return load_unet(network.state_dict(), "The UNet", family), network


@pytest.fixture(scope="module")
def autoencoder() -> TinyAutoencoder:
    """One of sixteen channels, whose scale and shift are its own."""
    made = TinyAutoencoder(CHANNELS).eval().requires_grad_(False)
    for seed, half in enumerate((made.taesd_encoder, made.taesd_decoder)):
        seed_weights(half, seed)
    made.normalise(torch.tensor(0.2), torch.tensor(1.7))
    return made


@pytest.fixture
def vae(autoencoder):
    """As Load VAE reads its file."""
    return comfy.sd.VAE(sd=copy.deepcopy(autoencoder.state_dict()), dtype=torch.float32)


def picture(batch: int = 1) -> torch.Tensor:
    """An IMAGE."""
    return torch.rand(batch, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(8))


def ksampler(model, latent: dict, denoise: float = 1.0, steps: int = 3) -> dict:
    """The host's node."""
    arguments = (model, 5, steps, 1.0, "euler", "normal", TEXT, TEXT, latent)
    return host_nodes.common_ksampler(*arguments, denoise=denoise)[0]


def euler(network, model, begun: torch.Tensor, denoise: float = 1.0, steps: int = 3) -> torch.Tensor:
    """What KSampler has to make of diffusers' UNet: x ← x + (σ′ − σ) ε(x / √(1 + σ²)), in the UNet's scale.

    Args:
        begun: what is noised, in the UNet's scale.
    """
    plan = comfy.samplers.KSampler(model, steps, "cpu", "euler", "normal", denoise)
    noise = comfy.sample.prepare_noise(begun, 5)
    sigmas = plan.sigmas
    first = sigmas[0] if begun.any() else (1 + sigmas[0] ** 2) ** 0.5
    x, schedule = begun + noise * first, model.get_model_object("model_sampling")
    for now, then in zip(sigmas[:-1], sigmas[1:], strict=True):
        time = schedule.timestep(now).expand(len(x)).float()
        x = x + (then - now) * network(x / (1 + now**2) ** 0.5, time, TEXT[0][0].expand(len(x), -1, -1)).sample
    return x


@pytest.mark.parametrize("batch", [1, 2])
def test_an_empty_latent_becomes_a_picture(autoencoder, vae, batch):
    """Empty Latent Image, KSampler, VAE Decode."""
    model, network = unet()
    empty = host_nodes.EmptyLatentImage().generate(WIDTH, HEIGHT, batch)[0]
    assert empty["samples"].shape[1] == 4
    latent = ksampler(model, empty)
    expected = euler(network, model, torch.zeros(batch, CHANNELS, HEIGHT // 8, WIDTH // 8))
    assert difference(latent["samples"], expected / 0.18215) < 1e-3
    made = host_nodes.VAEDecode().decode(vae, latent)[0]
    shown = autoencoder.decode(expected).movedim(1, -1) / 2 + 0.5
    assert made.shape == (batch, HEIGHT, WIDTH, 3) and shown.std() > 0.05
    assert difference(made, shown.clamp(0, 1)) < 1e-3


def test_a_picture_is_sampled_on(autoencoder, vae):
    """Load Image, VAE Encode, KSampler with less than all noise."""
    model, network = unet()
    pixels = picture(2)
    latent = host_nodes.VAEEncode().encode(vae, pixels)[0]
    begun = autoencoder.encode(pixels.movedim(-1, 1) * 2 - 1)
    assert begun.std() > 0.1 and difference(latent["samples"] * 0.18215, begun) < 1e-4
    sampled = ksampler(model, latent, denoise=0.6)["samples"]
    assert difference(sampled, euler(network, model, begun, denoise=0.6) / 0.18215) < 1e-3


class TestHostsNodes:
    """What the host does with a latent on its way from sampler to sampler."""

    SAMPLES = random(2, CHANNELS, HEIGHT // 8, WIDTH // 8, seed=6)

    def sampled(self, latent: dict) -> torch.Tensor:
        """What KSampler makes of a latent that holds something, which has to be Euler's rule."""
        model, network = unet()
        made = ksampler(model, latent, denoise=0.5)["samples"]
        expected = euler(network, model, latent["samples"] * 0.18215, denoise=0.5) / 0.18215
        assert difference(made, expected) < 1e-3
        return made

    def test_upscale(self):
        larger = host_nodes.LatentUpscale().upscale({"samples": self.SAMPLES}, "bilinear", 88, 120, "disabled")[0]
        expected = torch.nn.functional.interpolate(self.SAMPLES, (15, 11), mode="bilinear")
        assert difference(larger["samples"], expected) < 1e-5
        assert self.sampled(larger).shape == (2, CHANNELS, 15, 11)

    def test_composite(self):
        pasted = random(2, CHANNELS, 3, 2)
        made = host_nodes.LatentComposite().composite({"samples": self.SAMPLES}, {"samples": pasted}, 16, 24)[0]
        expected = self.SAMPLES.clone()
        expected[..., 3:6, 2:4] = pasted
        assert torch.equal(made["samples"], expected)
        self.sampled(made)

    def test_batches(self):
        """One of a batch is sampled as it is among the others."""
        repeated = host_nodes.RepeatLatentBatch().repeat({"samples": self.SAMPLES[:1]}, 3)[0]
        whole = self.sampled(repeated)
        second = host_nodes.LatentFromBatch().frombatch(repeated, 1, 1)[0]
        assert torch.equal(second["samples"], self.SAMPLES[:1])
        assert difference(ksampler(unet()[0], second, denoise=0.5)["samples"], whole[1:2]) < 1e-3
        assert difference(whole[:1], whole[1:2]) > 0.1

    def test_a_noise_mask(self):
        """What it leaves black stays, and the rest is made anew."""
        mask = torch.zeros(1, HEIGHT, WIDTH)
        mask[:, :48] = 1
        latent = host_nodes.SetLatentNoiseMask().set_mask({"samples": self.SAMPLES}, mask)[0]
        made = ksampler(unet()[0], latent)["samples"]
        assert difference(made[..., 7:, :], self.SAMPLES[..., 7:, :]) < 1e-4
        assert float((made - self.SAMPLES)[..., :5, :].abs().mean()) > 0.1

    def test_a_file(self, tmp_path, monkeypatch):
        monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
        monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path))
        saver = host_nodes.SaveLatent()
        saver.output_dir = str(tmp_path)
        (saved,) = saver.save({"samples": self.SAMPLES}, "sixteen")["ui"]["latents"]
        assert torch.equal(host_nodes.LoadLatent().load(saved["filename"])[0]["samples"], self.SAMPLES)


def blended(inside, outside, mask: torch.Tensor, text: list):
    """A GUIDER of our node, without guidance by ∅."""
    branches = dict.fromkeys(("positive", "negative", "reference_positive", "reference_negative"), text)
    return MannequinRegionBlendGuider.execute(model=inside, reference_model=outside, mask=mask, cfg=1.0, **branches)[0]


def test_a_region_blend():
    """White is the one look, black the other."""
    base, latent = unet()[0], random(1, CHANNELS, HEIGHT // 8, WIDTH // 8, seed=2)
    look = apply_condition(base, ReferenceCondition(), SourceNet(base, latent), "all", DEFAULT)
    begun = torch.zeros_like(latent)
    plan = comfy.samplers.KSampler(base, 3, "cpu", "euler", "normal", 1.0)
    expected = [ksampler(each, {"samples": begun})["samples"] for each in (base, look)]
    assert difference(*expected) > 1e-3
    for white, picture_of in enumerate(expected):
        guider = blended(look, base, torch.full((1, HEIGHT, WIDTH), float(white)), TEXT)
        noise, sampler = comfy.sample.prepare_noise(begun, 5), comfy.samplers.sampler_object("euler")
        made = guider.sample(noise, begun, sampler, plan.sigmas, seed=5, disable_pbar=True)
        assert difference(made, picture_of) < 1e-4


@pytest.mark.parametrize("channels", [4, 8, CHANNELS])
def test_the_scale_is_stable_diffusions(channels):
    model, _ = unet(channels)
    latents = model.get_model_object("latent_format")
    assert latents.latent_channels == channels
    latent = random(1, channels, 3, 2)
    assert torch.equal(model.model.process_latent_in(latent), latent * 0.18215)
    assert torch.equal(model.model.process_latent_out(latent), latent / 0.18215)
    assert SD_SCALE == 0.18215, "training writes autoencoders for it"


def test_a_learned_variance_is_no_latent():
    layout, family = replace(LAYOUT, in_channels=4, out_channels=8), replace(TWO_HEADS, learned_variance=True)
    model = load_unet(small_unet(layout, 0, family).state_dict(), "The UNet", family)
    assert model.get_model_object("latent_format").latent_channels == 4


def test_four_channels_are_the_hosts_own():
    ours, theirs = unet(4)[0].get_model_object("latent_format"), comfy.latent_formats.SD15()
    assert isinstance(ours, comfy.latent_formats.SD15) and vars(ours) == vars(theirs)


@pytest.mark.parametrize("method", LatentPreviewMethod)
@pytest.mark.parametrize("channels, shown", [(4, True), (CHANNELS, False)])
def test_previews(monkeypatch, channels, shown, method):
    """The host knows what four channels look like."""
    monkeypatch.setattr(latent_preview.args, "preview_method", method)
    model, _ = unet(channels)
    sent = []
    monkeypatch.setattr(
        latent_preview.comfy.utils.ProgressBar, "update_absolute", lambda bar, step, total, image: sent.append(image)
    )
    ksampler(model, EMPTY, steps=2)
    assert len(sent) >= 2
    assert all((image is not None) == (shown and method != LatentPreviewMethod.NoPreviews) for image in sent)


def test_copies_know_their_latents():
    """A clone, and the copies that the host makes of what was loaded from a file."""
    state = unet()[1].state_dict()
    (model,) = load_file(
        lambda name: (state, {}),
        lambda state, name, metadata, disable_dynamic=False: (
            load_unet(state, name, TWO_HEADS, disable_dynamic=disable_dynamic),
        ),
        "A file",
    )
    factory, words = model.cached_patcher_init
    expected = ksampler(model, EMPTY)["samples"]
    for copied in (model.clone(), factory(*words), factory(*words, disable_dynamic=True)):
        latents = copied.get_model_object("latent_format")
        assert (latents.latent_channels, latents.scale_factor) == (CHANNELS, 0.18215)
        assert torch.equal(ksampler(copied, EMPTY)["samples"], expected)
    latents = copy.deepcopy(model.get_model_object("latent_format"))
    assert (latents.latent_channels, latents.scale_factor) == (CHANNELS, 0.18215)


@pytest.mark.parametrize("sampled, looks", [(CHANNELS, 4), (4, CHANNELS)])
def test_source_net_has_a_latent_of_its_own(sampled, looks, monkeypatch):
    """One UNet is sampled and another looks, each at latents of its own VAE."""
    target, (source, network) = unet(sampled)[0], unet(looks, seed=1)
    latent = random(1, looks, HEIGHT // 8, WIDTH // 8, seed=2)
    net = MannequinSourceNet.execute(model=source, latent={"samples": latent})[0]
    seen = {}
    read = ReferenceCondition.read
    monkeypatch.setattr(ReferenceCondition, "read", lambda *a: seen.update({str(a[1]): a[2].q}) or read(*a))
    model = apply_condition(target, ReferenceCondition(), net, "mid", DEFAULT)
    made, plain = (ksampler(each, EMPTY)["samples"] for each in (model, target))
    assert made.shape == plain.shape == (1, sampled, 11, 7) and difference(made, plain) > 1e-4
    expected = []
    network.mid_block.attentions[0].transformer_blocks[0].attn1.to_q.register_forward_hook(
        lambda layer, inputs, queries: expected.append(queries)
    )
    network(latent * 0.18215, 0, torch.zeros(1, 1, 24))
    (queries,) = seen.values()
    assert difference(queries, expected[0]) < 1e-4


@pytest.mark.parametrize("takes, came", [(CHANNELS, 4), (4, CHANNELS)])
class TestAnotherVAE:
    WORDS = "has {} channels and this model takes {}: .*Load VAE with this model's own VAE to VAE Encode"

    def test_while_sampling(self, takes, came):
        model, _ = unet(takes)
        with pytest.raises(PatchError, match="^The latent " + self.WORDS.format(came, takes)):
            ksampler(model, {"samples": random(1, came, 8, 8)})

    def test_at_source_net(self, takes, came):
        model, _ = unet(takes)
        with pytest.raises(NodeError, match="^SourceNet: The source latent " + self.WORDS.format(came, takes)):
            MannequinSourceNet.execute(model=model, latent={"samples": random(1, came, 8, 8)})

    def test_in_source_nets_pass(self, takes, came):
        """Whoever makes a SourceNet without the node."""
        model, _ = unet(takes)
        net = SourceNet(model, random(1, came, 8, 8))
        with pytest.raises(PatchError, match=self.WORDS.format(came, takes)):
            ksampler(apply_condition(model, ReferenceCondition(), net, "all", DEFAULT), EMPTY)


def test_another_vae_at_a_model_of_the_hosts_own_loader():
    """With a patch of ours on it, which does not take a latent itself; and under our guider without one."""
    base = hosts_own()
    text = [[random(1, 5, SIZES["sd15"].context_dim), {}]]
    foreign, words = random(1, CHANNELS, 8, 8), f"The latent has {CHANNELS} channels and this model takes 4: .*Load VAE"
    patched = apply_condition(base, ReferenceCondition(), SourceNet(base, random(1, 4, 8, 8)), "mid", DEFAULT)
    with pytest.raises(PatchError, match=f"^{words}"):
        host_nodes.common_ksampler(patched, 5, 2, 1.0, "euler", "normal", text, text, {"samples": foreign})
    guider = blended(base, base.clone(), torch.ones(1, 64, 64), text)
    with pytest.raises(PatchError, match=f"^Region Blend Guider: {words}"):
        guider.sample(foreign, foreign, comfy.samplers.sampler_object("euler"), torch.tensor([1.0, 0.0]), seed=5)


def test_a_unet_of_more_than_a_latent_is_no_source_net():
    model = load_unet(small_unet(replace(LAYOUT, in_channels=9, out_channels=4), 0, TWO_HEADS).state_dict(), "x", SD1)
    with pytest.raises(NodeError, match="^SourceNet: This UNet takes 9 channels, of which the latent has 4: .*inpaint"):
        MannequinSourceNet.execute(model=model, latent={"samples": random(1, 4, 8, 8)})
