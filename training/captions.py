"""Captions as Stable Diffusion hears them: CLIP's tokens, and the text encoder's last layer after its norm."""

from pathlib import Path

import torch
from torch import Tensor, nn

from preprocessors.errors import reason

from .errors import TrainingError


class Words:
    """A text encoder and its tokenizer.

    No module: it is frozen, no part of what is trained, and follows what it is given to its device.
    """

    def __init__(self, encoder: nn.Module, tokenizer) -> None:
        self.encoder, self._tokenizer = encoder, tokenizer

    @property
    def width(self) -> int:
        """Of what a token becomes."""
        return self.encoder.config.hidden_size

    def tokens(self, text: str) -> Tensor:
        """Numbers of a text's tokens, int64 ``[T]``, T being all that the encoder has room for; what is longer is cut.

        Commonly 77.
        """
        length = self.encoder.config.max_position_embeddings
        given = self._tokenizer(text, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        return given.input_ids[0]

    @torch.no_grad()
    def __call__(self, tokens: Tensor) -> Tensor:
        """The context of texts ``[B, T]``: ``[B, T, width]``."""
        return self.encoder.to(tokens.device)(tokens).last_hidden_state


def load_words(folder: Path) -> Words:
    """From the folders ``text_encoder`` and ``tokenizer`` in a folder, as diffusers saves Stable Diffusion.

    Raises:
        TrainingError: they are not there, or cannot be read.
    """
    from safetensors import SafetensorError
    from transformers import CLIPTextModel, CLIPTokenizer

    for name in ("text_encoder", "tokenizer"):
        if not (folder / name).is_dir():
            raise TrainingError(
                f"'{folder}' has no folder {name}. Give one of Stable Diffusion as diffusers saves it: "
                "options.text, or options.base."
            )
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", local_files_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(
            f"The text encoder in '{folder}' cannot be read ({reason(error)}). Take text_encoder and tokenizer of one "
            "Stable Diffusion as diffusers saves it."
        ) from error
    return Words(encoder.float().eval().requires_grad_(False), tokenizer)
