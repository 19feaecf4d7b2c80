"""HPFA, CAA and reference attention on a model that was never trained for them, as their nodes apply them.

The model knows people, poses and prompts (``fusion: none``); SourceNet is the model itself. What is measured here by
``python -m training.evaluate … --predictor training-free:WEIGHTS,use=hpfa,strength=0.8`` is what the nodes' defaults
rest on.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from model_patches.attention.hpfa import Reweighting
from model_patches.conditions import CAACondition, Fusion, HPFACondition, ReferenceCondition, SourceCondition
from model_patches.sites import select_sites
from model_patches.source import HiddenSpace

from .data.records import Record
from .diffusers_binding import conditioned, remember
from .errors import TrainingError
from .methods.base import Batch, Sampler, field, tensor
from .methods.truepose import TruePose
from .objectives import TIMESTEPS, guided
from .sampling import load_method


@dataclass(frozen=True)
class Use:
    """How a node is set.

    Attributes:
        use: which node; ``"nothing"`` leaves the model alone, and ``"prompt"`` tells it what the target wears.
        hidden_space, fusion: of HPFA.
        sites, strength, start_percent, end_percent: as the nodes have them.
        count: K of CAA.
    """

    use: Literal["nothing", "prompt", "hpfa", "caa", "reference"] = "hpfa"
    hidden_space: HiddenSpace = "paper"
    fusion: Fusion = "paper"
    sites: str = "all"
    strength: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    count: int = 2

    def acts(self, timestep: int) -> bool:
        """Whether it does at a step's timestep, 0–999."""
        first, last = ((1 - percent) * (TIMESTEPS - 1) for percent in (self.start_percent, self.end_percent))
        return last <= timestep <= first and self.strength > 0 and self.use != "nothing"


class TrainingFree(Sampler):
    """A model that knows no source, and what its nodes do to it.

    Args:
        model: of ``fusion: none``.
        use: how they are set.
    """

    def __init__(self, model: TruePose, use: Use) -> None:
        if model.options.fusion != "none":
            raise TrainingError(
                f"Training-free use is measured on a model without a source, and this one has fusion "
                f"'{model.options.fusion}'. Train one: python dev.py training train "
                "training/recipes/demo_checkpoint.yaml"
            )
        self.model, self.use = model, use

    def read_source(self, record: Record) -> dict[str, Tensor]:
        """As TruePose reads it."""
        return self.model.read_source(record) | {"regions": tensor(field(record, "regions"), torch.float32)}

    def read_target(self, record: Record) -> dict[str, Tensor]:
        """As TruePose reads it."""
        return self.model.read_target(record)

    @torch.no_grad()
    def sample(self, batch: Batch, noise: Tensor, steps: int | None = None, guidance: float | None = None) -> Tensor:
        model, use = self.model, self.use
        scale = model.options.guidance if guidance is None else guidance
        pose = model.encode_pose(batch)
        memories = model.remember(batch, None) if use.use == "prompt" else self._remember(batch)

        def predict(latents: Tensor, timesteps: Tensor) -> Tensor:
            null = model.denoise(latents, timesteps, pose)
            if not use.acts(int(timesteps[0])):
                return null
            with conditioned(model.denoising, memories, weight=use.strength):
                return guided(null, model.denoise(latents, timesteps, pose), scale)

        return model.ddim(noise, predict, steps)

    def _remember(self, batch: Batch):
        model, sites = self.model, select_sites(self.use.sites, self.model.sites)
        latent = model.reads(batch)
        context = latent.new_zeros(len(latent), 1, model.context_dim)
        conditions = [(condition, sites) for condition in self._conditions(batch)]
        return remember(model.denoising, model.denoising, conditions, latent, context)

    def _conditions(self, batch: Batch) -> list[SourceCondition]:
        use = self.use
        if use.use == "hpfa":
            reweighting = Reweighting()
            return [HPFACondition(self.model.selected(batch), reweighting, None, use.hidden_space, use.fusion)]
        if use.use == "caa":
            return [CAACondition(batch["parsing"], batch["regions"], use.count)]
        return [ReferenceCondition()] if use.use == "reference" else []


def load_training_free(path: Path, use: Use) -> TrainingFree:
    """From the weights that ``training.train`` wrote.

    Raises:
        TrainingError: the file is none of ours, or its model knows a source.
    """
    model = load_method(path)
    if not isinstance(model, TruePose):
        raise TrainingError(f"'{path}' is no TruePose, with whose pose encoder training-free use is measured.")
    return TrainingFree(model, use)
