"""Floating-point operations of any work on the meta device, where tensors have shapes and no numbers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count

aten = torch.ops.aten


def _attention(query: Tensor, key: Tensor, value: Tensor, *rest: Any, **options: Any) -> int:
    return sdpa_flop_count(query.shape, key.shape, value.shape)


def _attention_backward(gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **options: Any) -> int:
    return sdpa_backward_flop_count(gradient.shape, query.shape, key.shape, value.shape)


#: torch's own counts, and of processors' attention, which they lack.
COUNTS: dict[Any, Callable[..., int]] = {
    **flop_registry,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


class _Counter(TorchDispatchMode):
    """Counts; and supposes what cannot be known without numbers: what is asked is true, and so of every row.

    torch's own counter follows modules, which it cannot where a gradient is taken inside a forward pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        options = options or {}
        first = arguments[0] if arguments else None
        if function is aten._local_scalar_dense.default and first.is_meta:
            return True if first.dtype == torch.bool else 1
        if function is aten.nonzero.default and first.is_meta:
            return first.new_empty((first.numel(), first.ndim), dtype=torch.int64)
        if function is aten.index.Tensor:
            arguments = (first, [each for place in arguments[1] for each in _places(place)])
        result = function(*arguments, **options)
        count = COUNTS.get(function.overloadpacket)
        if count is not None:
            self.operations += count(*arguments, **options, out_val=result)
        return result


def _places(index: Tensor | None) -> list[Tensor | None]:
    """A mask without numbers as the numbers of its places."""
    if index is None or not index.is_meta or index.dtype != torch.bool:
        return [index]
    return [index.new_empty(index.numel(), dtype=torch.int64) for _ in range(index.ndim)]


def counted(work: Callable[[], Any]) -> int:
    """Operations of matrix products, convolutions and attention, forward and backward; a product and its sum are two.

    What gradient checkpointing computes twice counts twice.
    """
    with _Counter() as counter:
        work()
    return counter.operations
