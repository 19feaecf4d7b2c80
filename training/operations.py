"""Operations and memory of any work on the meta device, where tensors have shapes and no numbers."""

import functools
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count

aten = torch.ops.aten


class Work(NamedTuple):
    """What some work is.

    Attributes:
        operations: of matrix products, convolutions and attention, forward and backward; a product and its sum are two.
        memory: bytes of what it made that were there at once, at most.
    """

    operations: int
    memory: int


class _Counter(TorchDispatchMode):
    """Counts; and supposes what cannot be known without numbers: what is asked is true, and so of every row.

    torch's own counter follows modules, which it cannot where a gradient is taken inside a forward pass.

    Args:
        known: tensors that were there before.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()
        self.operations = self.memory = self._now = 0
        self._known = {tensor.untyped_storage()._cdata for tensor in known}
        self._there: dict[int, tuple[weakref.ref, int]] = {}

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
        count = flop_registry.get(function.overloadpacket)
        if count is not None:
            self.operations += count(*arguments, **options, out_val=result)
        for made in tree_leaves(result):
            if isinstance(made, Tensor) and made.is_meta:
                self._take(made.untyped_storage())
        return result

    def _take(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._known or key in self._there:
            return
        size = storage.nbytes()
        self._there[key] = weakref.ref(storage, functools.partial(self._let_go, key)), size
        self._now += size
        self.memory = max(self.memory, self._now)

    def _let_go(self, key: int, gone: weakref.ref) -> None:
        self._now -= self._there.pop(key)[1]


class _Fused(torch.autograd.Function):
    """Attention as fused kernels do it, which keep what they are given and no square of it."""

    @staticmethod
    def forward(context, counter: _Counter, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        made = query.new_empty(*query.shape[:-1], value.shape[-1])
        context.save_for_backward(query, key, value, made)
        context.counter = counter
        counter.operations += sdpa_flop_count(query.shape, key.shape, value.shape)
        return made

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[None, Tensor, Tensor, Tensor]:
        *given, _ = context.saved_tensors
        context.counter.operations += sdpa_backward_flop_count(gradient.shape, *(each.shape for each in given))
        return None, *(torch.empty_like(each) for each in given)


@contextmanager
def _fused(counter: _Counter) -> Iterator[None]:
    """Within the block torch's attention is fused, which without numbers it is not.

    A mode of torch's own would be off in the backward pass, in which checkpointed layers run again.
    """
    plain = functional.scaled_dot_product_attention

    def attention(query: Tensor, key: Tensor, value: Tensor, *rest: Any, **options: Any) -> Tensor:
        if query.is_meta:
            return _Fused.apply(counter, query, key, value)
        return plain(query, key, value, *rest, **options)

    functional.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = plain


def _places(index: Tensor | None) -> list[Tensor | None]:
    """A mask without numbers as the numbers of its places."""
    if index is None or not index.is_meta or index.dtype != torch.bool:
        return [index]
    return [index.new_empty(index.numel(), dtype=torch.int64) for _ in range(index.ndim)]


def counted(work: Callable[[], Any], network: nn.Module) -> Work:
    """What some work on a network is; of what gradient checkpointing computes twice, twice the operations.

    Gradients of weights are let go of as they come, so that they are no part of the memory.
    """
    handles = [
        weight.register_post_accumulate_grad_hook(_forget) for weight in network.parameters() if weight.requires_grad
    ]
    try:
        with _Counter([*network.parameters(), *network.buffers()]) as counter, _fused(counter):
            work()
    finally:
        for handle in handles:
            handle.remove()
    return Work(counter.operations, counter.memory)


def _forget(weight: Tensor) -> None:
    weight.grad = None
