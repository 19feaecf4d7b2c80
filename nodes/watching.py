"""What previews of a MODEL at work share: the moment, and the evaluation that is watched."""

from typing import Any

from comfy_api.latest import io

from ..model_patches.comfy_latents import check_channels
from ..model_patches.comfy_watch import Watch, watched_evaluation
from .checks import check_conditioning, latent_samples


def percent_input() -> io.Float.Input:
    """The moment of the schedule that is looked at."""
    return io.Float.Input(
        "percent",
        default=0.5,
        min=0.0,
        max=1.0,
        step=0.01,
        tooltip="The moment: 0 is the first step, in pure noise, 1 the last.",
    )


def watch_finished(watch: Watch, model: Any, positive: Any, latent: Any, percent: float) -> None:
    """One evaluation on the finished picture's latent, of which ``watch`` is told.

    Raises:
        PatchError: the conditioning or the latent is not what it should be.
    """
    check_conditioning(positive, "The positive conditioning")
    # The whole batch, as the sampler has it: of several sources each is of one image.
    samples = latent_samples(latent, "The latent")
    check_channels(samples, model.get_model_object("latent_format").latent_channels, "The latent")
    watched_evaluation(model, positive, samples, percent, watch, 0)
