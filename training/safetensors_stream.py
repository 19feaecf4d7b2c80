"""A safetensors file written tensor by tensor, so that large files are made in little memory."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model_patches.weight_kinds.header import DTYPES

_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Entry:
    """One tensor to come: its name, type and shape are known before it is read."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    read: Callable[[], Tensor]

    @property
    def size(self) -> int:
        """Bytes."""
        return int(torch.Size(self.shape).numel()) * self.dtype.itemsize


def write(
    path: Path, entries: Sequence[Entry], metadata: Mapping[str, str], progress: Callable[[int], None] = lambda n: None
) -> None:
    """Write the file beside its place and move it there when it is whole.

    Args:
        progress: called with the bytes of every tensor written.
    """
    header, place = {"__metadata__": dict(metadata)}, 0
    for entry in entries:
        offsets = [place, place + entry.size]
        header[entry.name] = {"dtype": _NAMES[entry.dtype], "shape": list(entry.shape), "data_offsets": offsets}
        place = offsets[1]
    text = json.dumps(header, ensure_ascii=False).encode()
    # The data begins at a multiple of eight, as the format's own writer has it.
    text += b" " * (-len(text) % 8)
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for entry in entries:
                tensor = entry.read().detach().to(entry.dtype).contiguous()
                file.write(tensor.reshape(-1).view(torch.uint8).numpy())
                progress(entry.size)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
