"""Who changes which weight: AdamW all of them, or Muon the matrices and AdamW the rest.

The papers train with Adam; Muon is a choice of ours where minutes count.
"""

from collections.abc import Iterable

from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from .muon import Muon
from .recipe import Optimiser

#: A weight with fewer rows or columns meets pixels, latents or single numbers, and is AdamW's.
LEAST_SIDE = 32


def optimisers(parameters: Iterable[nn.Parameter], options: Optimiser) -> list[Optimizer]:
    """The optimizers of a run, each with its share of the parameters."""
    everything = list(parameters)
    matrices = [weight for weight in everything if options.muon and _is_matrix(weight)]
    theirs = {id(weight) for weight in matrices}
    rest = [weight for weight in everything if id(weight) not in theirs]
    made: list[Optimizer] = []
    if rest:
        made.append(
            AdamW(rest, options.learning_rate, betas=options.betas, weight_decay=options.weight_decay, fused=True)
        )
    if matrices:
        made.append(Muon(matrices, options.learning_rate, options.weight_decay))
    return made


def _is_matrix(weight: Tensor) -> bool:
    """Of a linear layer or a convolution."""
    return weight.ndim in (2, 4) and min(len(weight), weight[0].numel()) >= LEAST_SIDE
