"""What is computed once in a sampling run and kept to its end."""

from collections.abc import Callable, Hashable
from typing import Any

import torch

from .conditions import Shared


class Kept(Shared):
    """Values by key. All that changes during a run lives in one of these, and dies with it."""

    def __init__(self):
        self._kept: dict[Hashable, Any] = {}

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """``compute()``, the first time this run asks for ``key``.

        Outside inference mode, in which the host samples: guidance may take gradients through what is kept here.
        """
        if key not in self._kept:
            with torch.inference_mode(False), torch.no_grad():
                self._kept[key] = compute()
        return self._kept[key]

    def clear(self) -> None:
        """Let go of everything."""
        self._kept.clear()
