"""PCDMs' prior and DINOv2's tokens, recomputed from golden files by way of the loaders."""

import torch
from torch import Tensor

from .golden import Golden
from .host import import_host


def pcdms_stage1(golden: Golden) -> dict[str, Tensor]:
    """Evaluations of the prior, and its sampling of an embedding."""
    import_host()
    from mannequin.model_patches.comfy_weights import load_weights
    from mannequin.model_patches.unclip import unclip
    from mannequin.model_patches.weight_kinds.pcdms_prior import PCDMS_PRIOR, PREFIX, PRIOR, prior_metadata

    state = {PREFIX + key: tensor for key, tensor in golden.weights_of("pcdms_stage1").items()}
    header = prior_metadata(golden.config["prior"]["num_attention_heads"])
    (patcher,) = load_weights(PCDMS_PRIOR, state, "pcdms_stage1", header)
    network, inputs = patcher.model[PRIOR], golden.inputs
    condition = network.condition(*(inputs[name][:, 0] for name in ("s_embed", "s_pose", "t_pose")))
    noisy, both = inputs["x_t"][:, 0], torch.cat([network.null(condition), condition])

    def predict(x: Tensor, timestep: int, tokens: Tensor = condition) -> Tensor:
        return network(x, torch.full((len(x),), timestep), tokens)

    timestep, noise = int(inputs["timestep"]), list(inputs["variance_noise"])
    return {
        "pred": predict(noisy, timestep),
        "pred_test_flag": predict(noisy.repeat(2, 1), timestep, both),
    } | {
        f"image_embeds_clip{limit:g}": unclip(predict, inputs["sample_noise"], noise, limit)
        for limit in golden.config["clip_sample_ranges"]
    }


def dino_tokens(golden: Golden) -> dict[str, Tensor]:
    """Tokens of a photo by both sizes of DINOv2, as IMAGPose and PCDMs squash it, under both interpolations."""
    import_host()
    from mannequin.model_patches.comfy_dino import load_dino
    from mannequin.model_patches.dino import BY_SCALE, BY_SIZE, HEADS_KEY, SIDE
    from mannequin.preprocessors.images import squashed

    photo = golden.inputs["image"][None].float() / 255
    pictures = {"base_imagpose": photo, "giant_pcdms": squashed(photo, 512, 512)}
    tokens = {}
    for called, picture in pictures.items():
        size = called.split("_")[0]
        header = {HEADS_KEY: str(golden.config["dino"][size]["num_attention_heads"])}
        state = golden.weights_of(f"dinov2_{size}_like")
        for ending, how in (("scale_factor", BY_SCALE), ("size", BY_SIZE)):
            encoder = load_dino(state, size, header, how, torch.float32)
            encoded = encoder.encode_image(squashed(picture, SIDE, SIDE), crop=False)
            tokens[f"{called}_{ending}"] = encoded.last_hidden_state
    return tokens
