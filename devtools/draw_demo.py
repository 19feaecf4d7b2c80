"""What graphs on the pack's own weights share."""

from .graph_drawing import Drawn, Graph

#: A node and an output's name.
Wire = tuple[Drawn, str]

#: What the demo weights were trained at, and how their results were measured.
DEMO_SIZE = {"width": 96, "height": 128}
DEMO_STEPS, DEMO_GUIDANCE = 25, 1.5


def blended(
    graph: Graph,
    column: int,
    branches: dict[str, Wire],
    mask: Wire,
    latent: Wire,
    steps: int,
) -> Wire:
    """Latents that follow one branch inside a mask and another outside it.

    Args:
        branches: the inputs of Region Blend Guider: model, positive, negative, and the same of the reference.
    """
    guider = graph.add(column, "MannequinRegionBlendGuider", mask=mask, cfg=DEMO_GUIDANCE, **branches)
    noise = graph.add(column, "RandomNoise", noise_seed=0)
    sampler = graph.add(column, "KSamplerSelect", sampler_name="ddim")
    sigmas = graph.add(column, "BasicScheduler", model=branches["model"], scheduler="simple", steps=steps, denoise=1.0)
    return graph.add(
        column + 1,
        "SamplerCustomAdvanced",
        noise=noise["NOISE"],
        guider=guider["GUIDER"],
        sampler=sampler["SAMPLER"],
        sigmas=sigmas["SIGMAS"],
        latent_image=latent,
    )["output"]


def tops_mask(graph: Graph, parsing: Drawn) -> Wire:
    """Where a parsing has a top."""
    return graph.add(
        3,
        "MannequinParsingMask",
        "Where the source's look goes",
        parsing=parsing["PARSING"],
        labels="Upper-clothes",
    )["MASK"]


def fitted_photo(graph: Graph, title: str, photo: str, width: int, height: int) -> tuple[Drawn, Drawn]:
    """A photo, and the same at the model's size."""
    loaded = graph.add(0, "LoadImage", title, image=photo)
    fitted = graph.add(
        1,
        "ImageScale",
        f"{title}, at the model's size",
        image=loaded["IMAGE"],
        upscale_method="lanczos",
        width=width,
        height=height,
        crop="center",
    )
    return loaded, fitted
