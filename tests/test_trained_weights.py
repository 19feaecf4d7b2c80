"""What training writes is what the nodes read: the same picture from the same noise in both hosts."""

from dataclasses import replace
from pathlib import Path

import comfy.sample
import comfy.sd
import comfy.utils
import pytest
import torch
from host_ddim import STEPS, begun, sampled
from mannequin.model_patches.attention.hpfa import Reweighting
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.comfy_blocks import transformer_blocks
from mannequin.model_patches.comfy_pose import apply_pose
from mannequin.model_patches.comfy_source import SourceNet
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.conditions import CAACondition, HPFACondition, MFCACondition, ReferenceCondition
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.scope import Scope
from mannequin.model_patches.weight_kinds.mcld import MCLD_MODEL
from mannequin.model_patches.weight_kinds.truepose import TRUEPOSE, TRUEPOSE_MODEL
from mannequin.nodes.conditioning import MannequinConditioning
from mannequin.nodes.mcld import MannequinApplyPoseGuider
from small_methods import XL, recipe
from training_people import NoisePeople

from training.loop import Run
from training.objectives import Schedule
from training.sampling import load_predictor

GUIDANCE = 2.0


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    with torch.inference_mode(False), torch.enable_grad():
        people = NoisePeople()
        Run(replace(recipe(folder / "autoencoder", "autoencoder"), steps=1), people).train()
        for method in ("truepose", "mcld"):
            Run(replace(recipe(folder / method, method), steps=2), people).train()
        begun = recipe(folder / "mcld_lookup", "mcld")
        Run(replace(begun, steps=2, options=replace(begun.options, lookup=True)), people).train()
        begun = recipe(folder / "truepose_v", "truepose")
        v = replace(begun.options, schedule=Schedule("linear", "v_prediction", True, "trailing"))
        # As the demo weights have it: no attention at the finest level.
        v = replace(v, base=replace(v.base, attends=v.base.attends[::-1]))
        Run(replace(begun, steps=2, options=v), people).train()
        # And latents of sixteen channels, with two heads.
        begun = recipe(folder / "autoencoder_16", "autoencoder")
        Run(replace(begun, steps=1, options=replace(begun.options, channels=16)), people).train()
        begun = recipe(folder / "truepose_16", "truepose")
        wide = replace(begun.options, base=replace(begun.options.base, channels=16, heads=2))
        Run(replace(begun, steps=2, options=wide), NoisePeople(channels=16)).train()
        begun = recipe(folder / "truepose_xl", "truepose")
        Run(replace(begun, steps=2, options=replace(begun.options, base=XL)), people).train()
    names = ("autoencoder", "autoencoder_16", "truepose", "truepose_v", "truepose_16", "truepose_xl")
    names = (*names, "mcld", "mcld_lookup")
    return {name: folder / name / "weights.safetensors" for name in names}


def batch_of(method) -> dict[str, torch.Tensor]:
    people = NoisePeople(channels=method.denoising.config.in_channels)
    read = method.read_source(people.record("p0-v0")) | method.read_target(people.record("p0-v1"))
    return torch.utils.data.default_collate([read])


def in_comfy(model, noise: torch.Tensor) -> torch.Tensor:
    context = MannequinConditioning.execute(model).result[0]
    return sampled(model, context, context, noise, GUIDANCE)


@pytest.mark.parametrize("name", ["truepose", "truepose_v", "truepose_16", "truepose_xl"])
def test_truepose_in_both_hosts(runs, name):
    autoencoder = runs["autoencoder_16" if name == "truepose_16" else "autoencoder"]
    predictor = load_predictor(runs[name], autoencoder)
    method, batch = predictor.method, batch_of(predictor.method)
    state, metadata = comfy.utils.load_torch_file(str(runs[name]), return_metadata=True)
    target, source, modules = load_weights(TRUEPOSE_MODEL, state, "x", metadata)
    heads = {block.attn1.heads for unet in (target, source) for block in transformer_blocks(unet).values()}
    assert heads == {"truepose_16": {2}, "truepose_xl": {2}}.get(name, {8})
    xl = name == "truepose_xl"
    assert [type(unet.model).__name__ for unet in (target, source)] == ["SDXL" if xl else "BaseModel"] * 2
    assert target.get_model_object("latent_format").scale_factor == (0.13025 if xl else 0.18215)

    noise = torch.randn(batch["target_latent"].shape, generator=torch.Generator().manual_seed(0))
    ours = method.sample(batch, begun(target, noise), STEPS, GUIDANCE)

    net = SourceNet(source, source.model.process_latent_out(batch["source_latent"]), None, None)
    selected = batch["implied"].gather(1, batch["parsing"].flatten(1).long()).view(batch["parsing"].shape)
    scope = Scope()
    pose = batch["skeleton"].movedim(-1, 1).float() / 255
    patched = apply_pose(target, modules, pose, scope)
    hpfa = HPFACondition(selected, Reweighting(), modules.model)
    patched = apply_condition(patched, hpfa, net, "all", scope, modules)
    caa = CAACondition(batch["parsing"], batch["regions"], 2, modules.model)
    patched = apply_condition(patched, caa, net, "all", scope, modules)
    theirs = in_comfy(patched, noise)
    assert float((ours - theirs).abs().max()) < 1e-3
    assert float((in_comfy(target, noise) - theirs).abs().max()) > 1e-2
    if xl:
        # The autoencoder here is of the others' scale.
        return
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(autoencoder)), dtype=torch.float32)
    shown = vae.decode(target.model.process_latent_out(theirs)).movedim(-1, 1) * 2 - 1
    assert float((predictor.autoencoder.decode(ours).clamp(-1, 1) - shown).abs().max()) < 1e-3


@pytest.mark.parametrize("name", ["mcld", "mcld_lookup"])
def test_mcld_in_both_hosts(runs, name):
    predictor = load_predictor(runs[name], runs["autoencoder"])
    method, batch = predictor.method, batch_of(predictor.method)
    state, metadata = comfy.utils.load_torch_file(str(runs[name]), return_metadata=True)
    denoiser, reference, modules = load_weights(MCLD_MODEL, state, "x", metadata)
    noise = torch.randn(batch["target_latent"].shape, generator=torch.Generator().manual_seed(0))
    ours = method.sample(batch, noise, STEPS, GUIDANCE)

    image, texture = batch["clip"][:, None], batch["texture_clip"][:, None]
    net = SourceNet(reference, reference.model.process_latent_out(batch["texture_latent"]), image, None)
    tokens = modules.model.face_projector(batch["face"][:, None])
    scope = Scope()
    pose = batch["target_iuv"].flip(-1).movedim(-1, 1).float() / 255
    if name == "mcld_lookup":
        # Training leaves a layer that began at zero near it.
        for network in (method.modules_, modules.model):
            network.texture_lookup.weight.fill_(0.1)
        ours = method.sample(batch, noise, STEPS, GUIDANCE)
        picture = pose.movedim(1, -1)
        with pytest.raises(Exception, match="connect the texture map, through VAE Encode"):
            MannequinApplyPoseGuider.execute(denoiser, modules, picture, 1.0, 0.0, 1.0)
        given = {"samples": denoiser.model.process_latent_out(batch["texture_latent"])}
        patched = MannequinApplyPoseGuider.execute(denoiser, modules, picture, 1.0, 0.0, 1.0, texture=given)[0]
    else:
        patched = apply_pose(denoiser, modules, pose, scope)
    patched = apply_condition(patched, ReferenceCondition(), net, "all", scope, None)
    focal = MFCACondition(image, texture, tokens, modules.model)
    patched = apply_condition(patched, focal, None, "all", scope, modules)
    theirs = in_comfy(patched, noise)
    assert float((ours - theirs).abs().max()) < 1e-3


def test_the_wrong_loader_says_which_is_right(runs):
    state, metadata = comfy.utils.load_torch_file(str(runs["truepose"]), return_metadata=True)
    with pytest.raises(PatchError, match="Load TruePose Model"):
        load_weights(TRUEPOSE, state, "x", metadata)
    modules = {key: value for key, value in state.items() if "unet." not in key}
    with pytest.raises(PatchError, match="load it with Load TruePose,"):
        load_weights(TRUEPOSE_MODEL, modules, "x", metadata)
