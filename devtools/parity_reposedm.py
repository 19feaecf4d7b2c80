"""RePoseDM's parts, recomputed from golden files."""

import torch
from torch import Tensor

from model_patches.networks.map_former import AlignmentShape, RecurrentAlignment

from .golden import Golden
from .host import import_host
from .parity_sampling import vae_of

#: Under which name the golden files keep the pose estimator.
_ESTIMATOR = "pose_higher_hrnet_w32_512"


def higherhrnet(golden: Golden) -> dict[str, Tensor]:
    """Both outputs of the pose estimator, through the loader; its picture is normalised already."""
    import_host()
    from mannequin.model_patches.comfy_weights import load_weights
    from mannequin.model_patches.weight_kinds.higherhrnet import HIGHERHRNET, UNNORMALISED, estimator_metadata

    state = golden.weights_of(_ESTIMATOR)
    (patcher,) = load_weights(HIGHERHRNET, state, "higherhrnet", estimator_metadata(UNNORMALISED))
    maps = patcher.model(golden.inputs["image"])
    return {"scale_1_4": torch.cat([maps.coarse, maps.tags], 1), "scale_1_2": maps.fine}


def pif(golden: Golden) -> dict[str, Tensor]:
    """G, its gradient and the guided x̂₀, in double precision, by what guides a MODEL."""
    import_host()
    from mannequin.model_patches.comfy_frozen import FrozenDecoder, FrozenEstimator
    from mannequin.model_patches.guidance.pose_interaction_field import field_gradient, shift
    from mannequin.model_patches.networks.higherhrnet import HigherHRNet, HigherHRNetShape

    config, inputs, state = golden.config, golden.inputs, golden.weights_of(_ESTIMATOR)
    decoder, scaled = FrozenDecoder(vae_of(golden, torch.float64)), config["vae"]["scaling_factor"]
    conditional, outputs = inputs["x0_cond"], {}
    for ending, imagenet in (("", True), ("_unnormalised", False)):
        network = HigherHRNet(HigherHRNetShape.of(state), imagenet)
        network.load_state_dict(state)
        estimator = FrozenEstimator(network.double().eval())
        target = estimator(inputs["pose_drawing"].movedim(-1, 1) / 255).features
        field, gradient = field_gradient(
            conditional, lambda clean, looks=estimator: looks(decoder(clean / scaled)), target
        )
        outputs |= {f"G{ending}": field.distance, f"gradient{ending}": gradient}
    guided = torch.lerp(inputs["x0_uncond"], conditional, config["guidance"])
    strengths = (config["scale"], config["guidance"])
    for rule in ("Eq. 15", "Eq. 14"):
        shifts = (
            shift(conditional, outputs["gradient"], conditional.new_tensor([sigma]), *strengths, rule)
            for sigma in config["sigmas"]
        )
        outputs[f"guided_eq{rule[-2:]}"] = torch.stack([guided - moved for moved in shifts])
    return outputs


def reposedm_align(golden: Golden) -> dict[str, Tensor]:
    """Flow, warped source and features behind every iteration, in double precision."""
    (step, *_) = alignment(golden)(golden.inputs["source_latent"], golden.inputs["pose_latent"])[::-1]
    return step._asdict()


def alignment(golden: Golden) -> RecurrentAlignment:
    """The network of a golden file."""
    config = golden.config
    shape = AlignmentShape(
        golden.inputs["source_latent"].shape[1],
        config["width"],
        config["ffn"],
        config["radius"],
        tuple(config["region_sizes"]),
    )
    network = RecurrentAlignment(shape, dtype=torch.float64)
    weights = golden.weights_of("reposedm_align")
    network.load_state_dict(
        {
            key.replace("self_", "self_attention.").replace("cross_", "cross_attention."): tensor
            for key, tensor in weights.items()
        }
    )
    return network
