"""A text encoder of Stable Diffusion's kind that fits a test: random weights, letters as tokens."""

import atexit
import functools
import json
import shutil
import string
import tempfile
from pathlib import Path

import torch

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 12


@functools.cache
def words_folder(width: int = 16) -> Path:
    """With ``text_encoder`` and ``tokenizer``, as diffusers saves them."""
    from transformers import CLIPTextConfig, CLIPTextModel

    folder = Path(tempfile.mkdtemp(prefix="mannequin-words-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    letters = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase), BEGIN, END]
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(letters)}))
    (tokenizer / "merges.txt").write_text("#version: 0.2\n")
    (tokenizer / "tokenizer_config.json").write_text(json.dumps({"model_max_length": LENGTH, "pad_token": END}))
    config = CLIPTextConfig(
        vocab_size=len(letters),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        bos_token_id=letters.index(BEGIN),
        eos_token_id=letters.index(END),
        pad_token_id=letters.index(END),
    )
    with torch.inference_mode(False), torch.random.fork_rng():
        torch.manual_seed(0)
        CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    return folder
