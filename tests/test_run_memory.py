"""The host knows what a run keeps: its estimate of memory grows by exactly that, and by nothing where nothing acts."""

import math

import comfy.model_management
import pytest
import torch
from mannequin.model_patches.attention.folded import FoldedTokens
from mannequin.model_patches.attention.key_values import KeyValues
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.comfy_blocks import transformer_blocks
from mannequin.model_patches.comfy_run import Run
from mannequin.model_patches.conditions import HPFACondition
from mannequin.model_patches.scope import Scope
from mannequin.model_patches.source import width_of
from small import DEFAULT, HEIGHT, WIDTH, body_mask, model, patched, sample, source
from test_run_weights import delta, hook, hooked

KINDS = ["hpfa", "caa", "reference", "mfca"]


@pytest.fixture(scope="module", params=["sd15", "sdxl"])
def base(request):
    with torch.inference_mode():
        yield model(request.param)


def asked(monkeypatch, patcher, **options) -> dict[str, float]:
    """What the host's sampler asks to be free for a MODEL, beside its weights."""
    seen = {}
    load = comfy.model_management.load_models_gpu

    def note(models, memory_required=0, *rest, minimum_memory_required=None, **others):
        if minimum_memory_required is not None:
            seen.update(wished=memory_required, needed=minimum_memory_required)
        return load(models, memory_required, *rest, minimum_memory_required=minimum_memory_required, **others)

    with monkeypatch.context() as patch:
        patch.setattr(comfy.model_management, "load_models_gpu", note)
        sample(patcher, steps=1, **options)
    return seen


def kept_by(monkeypatch, patcher, **options) -> tuple[int, int, int]:
    """Bytes of what SourceNet left when the run opened, of that at the run's end, and of keys and values then."""
    found = []
    opened, clear = Run.__init__, Run.clear

    def seen(run: Run) -> int:
        return sum(kept.nbytes for kept in run._seen.values())

    def note_opened(self, *arguments):
        opened(self, *arguments)
        found.append(seen(self))

    def note_end(self):
        tensors = {}
        for _, made in self._weighed.values():
            for each in made:
                assert isinstance(each, KeyValues | FoldedTokens)
                tensors |= {id(tensor): tensor for tensor in (each.key, each.value) if tensor is not None}
        found.extend([seen(self), sum(tensor.nbytes for tensor in tensors.values())])
        clear(self)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "__init__", note_opened)
        patch.setattr(Run, "clear", note_end)
        sample(patcher, steps=1, **options)
    return tuple(found)


@pytest.mark.parametrize("kind", KINDS)
def test_what_must_be_free_grows_by_what_the_run_keeps(base, monkeypatch, kind, batch=2):
    mine = patched(base, kind, batch=batch)
    first, last, kept = kept_by(monkeypatch, mine, batch=batch)
    plain, more = (asked(monkeypatch, patcher, batch=batch) for patcher in (base, mine))
    assert last == 0 and kept > first >= 0
    assert more["needed"] - plain["needed"] == pytest.approx(kept - first, rel=1e-6)
    assert more["wished"] - plain["wished"] == pytest.approx(2 * (kept - first), rel=1e-6)


def test_the_number_is_that_of_the_sites(base, monkeypatch):
    """Keys and values of every token at every site in 32 bits, less what SourceNet left of each, twice."""
    blocks = transformer_blocks(base)
    deepest = 2 if len(blocks) > 16 else 3
    level = {"input": lambda n: (n - 1) // 3, "middle": lambda n: deepest, "output": lambda n: deepest - n // 3}
    numbers = 0
    for site, block in blocks.items():
        size = 2 ** level[site.block](site.number)
        numbers += math.ceil(HEIGHT / size) * math.ceil(WIDTH / size) * width_of(block)
    plain, more = (asked(monkeypatch, patcher)["needed"] for patcher in (base, patched(base, "hpfa", "reference")))
    assert more - plain == pytest.approx(2 * (2 - 1) * 4 * numbers, rel=1e-6)


def test_one_photo_for_many_poses(base, monkeypatch):
    """HPFA's features are of each pose's own mask, and so are its keys."""
    one, three = (
        asked(monkeypatch, apply_condition(base, HPFACondition(body_mask(rows)), source(base), "all", DEFAULT), batch=3)
        for rows in (1, 3)
    )
    plain = asked(monkeypatch, base, batch=3)["needed"]
    assert three["needed"] - plain == pytest.approx(3 * (one["needed"] - plain), rel=1e-6)


def test_every_group_of_hooks_has_its_own(base, monkeypatch):
    """Two prompts under two LoRAs: keys and values twice, and what SourceNet left stays."""
    mine = patched(base, "hpfa")
    prompts = [*hooked(hook(delta(base))), *hooked(hook(delta(base, -1.0)), seed=6)]
    first, last, kept = kept_by(monkeypatch, mine, positive=prompts)
    plain, more = (asked(monkeypatch, patcher, positive=prompts)["needed"] for patcher in (base, mine))
    assert last == first and kept == 4 * first
    assert more - plain == pytest.approx(kept, rel=1e-6)


@pytest.mark.parametrize(
    "scope", [Scope(strength=0), Scope(mask=torch.zeros(1, 8, 8)), Scope(start=0.6, end=0.4)], ids=repr
)
def test_what_is_off_adds_nothing(base, monkeypatch, scope):
    mine = patched(base, *KINDS, scope=scope)
    assert asked(monkeypatch, mine) == asked(monkeypatch, base)
