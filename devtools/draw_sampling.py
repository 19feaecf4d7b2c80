"""The sampler that all graphs share."""

from collections.abc import Mapping

from .draw_demo import Wire
from .graph_drawing import Drawn, Graph

#: Sampler and scheduler of the demo's weights.
DDIM = ("ddim", "simple")


def sampled(
    graph: Graph,
    column: int,
    model: Wire,
    given: Mapping[str, Wire] | Drawn,
    steps: int,
    sampler: tuple[str, str],
    guidance: float,
) -> Wire:
    """Latents of the conditions that a conditioning node gives, and of its latent; sampler and scheduler by name."""
    return graph.add(
        column,
        "KSampler",
        model=model,
        positive=given["positive"],
        negative=given["negative"],
        latent_image=given["latent"],
        seed=0,
        steps=steps,
        cfg=guidance,
        sampler_name=sampler[0],
        scheduler=sampler[1],
        denoise=1.0,
    )["LATENT"]
