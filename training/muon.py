"""Muon: a step along the orthogonal matrix nearest to a gradient's momentum (Jordan et al., 2024).

https://kellerjordan.github.io/posts/muon/. torch has one that computes in bfloat16, which processors without it do ten
times slower than this; here it is float32, matrices of one shape at once, and convolutions are matrices too.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

#: Of the quintic whose iteration brings singular values near 1 fastest: into 0.7–1.2 in five rounds.
COEFFICIENTS, ROUNDS = (3.4445, -4.7750, 2.0315), 5
#: A step's root mean square is AdamW's, so that both take one learning rate (Liu et al., 2025, section 2.2).
ADAMW_RMS = 0.2


def orthogonalised(matrices: Tensor) -> Tensor:
    """The orthogonal matrices nearest to some, about, by Newton and Schulz's iteration; ``[n, rows, columns]``.

    Every round multiplies from the left by a polynomial of the Gram matrix, and such polynomials commute: the rounds
    are done on the small Gram matrices, and the long matrices are multiplied once, by all rounds together.
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonalised(matrices.mT).mT
    a, b, c = COEFFICIENTS
    # Their largest singular value is at most the norm.
    values = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    gram, rounds = values @ values.mT, None
    for left in reversed(range(ROUNDS)):
        one = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        one.diagonal(dim1=1, dim2=2).add_(a)
        rounds = one if rounds is None else one @ rounds
        gram = one @ gram @ one if left else gram
    return rounds @ values


class Muon(Optimizer):
    """With Nesterov's momentum and decoupled weight decay.

    Args:
        weights: of two dimensions or more; the first are a matrix's rows, all others its columns.
        learning_rate: as for AdamW.
        weight_decay: as for AdamW.
        momentum: share of it that a step keeps.
    """

    def __init__(
        self, weights: Iterable[nn.Parameter], learning_rate: float, weight_decay: float = 0.0, momentum: float = 0.95
    ) -> None:
        super().__init__(weights, {"lr": learning_rate, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[weight.device, len(weight), weight[0].numel()].append(weight)
            for (_, rows, columns), weights in alike.items():
                directions = torch.stack([self._direction(weight, group["momentum"]) for weight in weights])
                size = group["lr"] * ADAMW_RMS * max(rows, columns) ** 0.5
                for weight, direction in zip(weights, orthogonalised(directions), strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.sub_(direction.view_as(weight), alpha=size)
        return loss

    def _direction(self, weight: nn.Parameter, momentum: float) -> Tensor:
        gradient = weight.grad.float()
        kept = self.state[weight].setdefault("momentum", torch.zeros_like(gradient))
        kept.lerp_(gradient, 1 - momentum)
        return gradient.lerp(kept, momentum).flatten(1)
