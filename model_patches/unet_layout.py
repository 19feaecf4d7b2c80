"""A Stable Diffusion UNet in diffusers' names, at any width: which keys it has, and their shapes.

Both hosts' loaders and the converter of published weights read it, so that an incomplete file is seen before anything
is built from it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from .errors import PatchError
from .unet_family import GROUPS, UNetFamily

#: Keys of the UNet's head, which a network that is only looked at does not need.
HEAD = ("conv_norm_out.weight", "conv_norm_out.bias", "conv_out.weight", "conv_out.bias")

#: What SDXL is told beside the time: a pooled text 1280 wide, and six numbers of sizes, each 256 wide.
VECTOR = 1280 + 6 * 256

Shape = tuple[int, ...]


@dataclass(frozen=True)
class UNetLayout:
    """Sizes of a UNet.

    Attributes:
        widths: channels of every level, the finest first.
        attends: which levels have transformers; the middle has one always.
        layers: resnets of a level on the way down; one more on the way up.
        context_dim: width of the cross-attention context.
        linear: whether transformers are entered through a linear layer instead of a convolution.
        in_channels: of what goes in: the latent, and whatever is concatenated with it.
        out_channels: of what comes out: the latent, and a variance where that is learned.
        class_dim: width of the vector that is added to the time embedding; 0 without one.
        depths: transformers behind one another in every level that attends; the middle has the last level's. Empty
            where there is one everywhere.
        vector_dim: width of the pooled text and the sizes that SDXL is told; 0 for the others.
    """

    widths: tuple[int, ...]
    attends: tuple[bool, ...]
    layers: int
    context_dim: int
    linear: bool
    in_channels: int
    out_channels: int = 4
    class_dim: int = 0
    depths: tuple[int, ...] = ()
    vector_dim: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "UNetLayout":
        """The sizes of the weights in ``state``.

        Raises:
            KeyError: a key that every UNet has is missing.
        """
        levels = range(len({key.split(".")[1] for key in state if key.startswith("down_blocks.")}))
        middle = "mid_block.attentions.0"
        in_channels = state["conv_in.weight"].shape[1]
        classes, vector = (state.get(f"{name}_embedding.linear_1.weight") for name in ("class", "add"))
        attentions = (*(f"down_blocks.{level}.attentions.0" for level in levels[:-1]), middle)
        depths = tuple(max(1, _transformers(state, name)) for name in attentions)
        return cls(
            tuple(state[f"down_blocks.{level}.resnets.0.conv1.weight"].shape[0] for level in levels),
            tuple(f"down_blocks.{level}.attentions.0.norm.weight" in state for level in levels),
            len({key.split(".")[3] for key in state if key.startswith("down_blocks.0.resnets.")}),
            state[f"{middle}.transformer_blocks.0.attn2.to_k.weight"].shape[1],
            state[f"{middle}.proj_in.weight"].ndim == 2,
            in_channels,
            # Without its head a UNet is only looked at, and nothing comes out.
            state["conv_out.weight"].shape[0] if "conv_out.weight" in state else in_channels,
            0 if classes is None else classes.shape[1],
            depths if max(depths) > 1 else (),
            0 if vector is None else vector.shape[1],
        )

    def depth(self, level: int) -> int:
        """Transformers behind one another in a level, should it attend; of the last, the middle's."""
        return self.depths[level] if self.depths else 1

    def shapes(self) -> dict[str, Shape]:
        """Every key and its shape, the head included."""
        return dict(self._all())

    def _all(self) -> Iterator[tuple[str, Shape]]:
        first, last = self.widths[0], self.widths[-1]
        yield from _layer("conv_in", (first, self.in_channels, 3, 3))
        yield from _layer("time_embedding.linear_1", (4 * first, first))
        yield from _layer("time_embedding.linear_2", (4 * first, 4 * first))
        if self.class_dim:
            yield from _layer("class_embedding.linear_1", (4 * first, self.class_dim))
            yield from _layer("class_embedding.linear_2", (4 * first, 4 * first))
        if self.vector_dim:
            yield from _layer("add_embedding.linear_1", (4 * first, self.vector_dim))
            yield from _layer("add_embedding.linear_2", (4 * first, 4 * first))
        yield from self._down()
        yield from self._resnet("mid_block.resnets.0", last, last)
        yield from self._transformer("mid_block.attentions.0", last, self.depth(-1))
        yield from self._resnet("mid_block.resnets.1", last, last)
        yield from self._up()
        yield from _norm("conv_norm_out", first)
        yield from _layer("conv_out", (self.out_channels, first, 3, 3))

    def _down(self) -> Iterator[tuple[str, Shape]]:
        before = self.widths[0]
        for level, width in enumerate(self.widths):
            block = f"down_blocks.{level}"
            for layer in range(self.layers):
                yield from self._resnet(f"{block}.resnets.{layer}", before if layer == 0 else width, width)
                if self.attends[level]:
                    yield from self._transformer(f"{block}.attentions.{layer}", width, self.depth(level))
            if level < len(self.widths) - 1:
                yield from _layer(f"{block}.downsamplers.0.conv", (width, width, 3, 3))
            before = width

    def _up(self) -> Iterator[tuple[str, Shape]]:
        before = self.widths[-1]
        for number, level in enumerate(reversed(range(len(self.widths)))):
            block, width = f"up_blocks.{number}", self.widths[level]
            for layer in range(self.layers + 1):
                # The last layer of a level is given what entered the level on the way down.
                skip = width if layer < self.layers else self.widths[max(level - 1, 0)]
                yield from self._resnet(f"{block}.resnets.{layer}", (before if layer == 0 else width) + skip, width)
                if self.attends[level]:
                    yield from self._transformer(f"{block}.attentions.{layer}", width, self.depth(level))
            if level > 0:
                yield from _layer(f"{block}.upsamplers.0.conv", (width, width, 3, 3))
            before = width

    def _resnet(self, name: str, narrow: int, wide: int) -> Iterator[tuple[str, Shape]]:
        yield from _norm(f"{name}.norm1", narrow)
        yield from _layer(f"{name}.conv1", (wide, narrow, 3, 3))
        yield from _layer(f"{name}.time_emb_proj", (wide, 4 * self.widths[0]))
        yield from _norm(f"{name}.norm2", wide)
        yield from _layer(f"{name}.conv2", (wide, wide, 3, 3))
        if narrow != wide:
            yield from _layer(f"{name}.conv_shortcut", (wide, narrow, 1, 1))

    def _transformer(self, name: str, width: int, depth: int) -> Iterator[tuple[str, Shape]]:
        square = (width, width)
        entrance = square if self.linear else (*square, 1, 1)
        yield from _norm(f"{name}.norm", width)
        yield from _layer(f"{name}.proj_in", entrance)
        for index in range(depth):
            yield from self._block(f"{name}.transformer_blocks.{index}", width)
        yield from _layer(f"{name}.proj_out", entrance)

    def _block(self, block: str, width: int) -> Iterator[tuple[str, Shape]]:
        square = (width, width)
        for norm in ("norm1", "norm2", "norm3"):
            yield from _norm(f"{block}.{norm}", width)
        for attention, context in (("attn1", width), ("attn2", self.context_dim)):
            yield f"{block}.{attention}.to_q.weight", square
            yield f"{block}.{attention}.to_k.weight", (width, context)
            yield f"{block}.{attention}.to_v.weight", (width, context)
            yield from _layer(f"{block}.{attention}.to_out.0", square)
        yield from _layer(f"{block}.ff.net.0.proj", (8 * width, width))
        yield from _layer(f"{block}.ff.net.2", (width, 4 * width))


def _transformers(state: Mapping[str, Tensor], attention: str) -> int:
    """How many transformers stand behind one another in an attention."""
    prefix = f"{attention}.transformer_blocks."
    return len({key.removeprefix(prefix).split(".")[0] for key in state if key.startswith(prefix)})


def _layer(name: str, shape: Shape) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def _norm(name: str, width: int) -> Iterator[tuple[str, Shape]]:
    return _layer(name, (width,))


def check_unet(state: Mapping[str, Tensor], family: UNetFamily, headless: bool = False) -> UNetLayout:
    """The layout of a UNet that is complete; its family's extra layers are passed over.

    Args:
        headless: without ``conv_norm_out`` and ``conv_out``, as a reference network is published.

    Raises:
        ValueError: says which keys are missing, unexpected or of another shape, or why its widths are no UNet's.
    """
    family = family.seen_in(state)
    found = {key: tuple(tensor.shape) for key, tensor in state.items() if not family.has_extra(key)}
    try:
        layout = UNetLayout.of(state)
    except KeyError as error:
        raise ValueError(f"{error} is missing") from error
    except IndexError as error:
        raise ValueError("keys are of another shape") from error
    if family.class_embedding and not layout.class_dim:
        raise ValueError("'class_embedding.linear_1.weight' is missing")
    if layout.class_dim and not family.class_embedding:
        raise ValueError("it has a class embedding, which nothing would be given to")
    _check_widths(layout, family)
    _check_channels(layout, family)
    expected = {key: shape for key, shape in layout.shapes().items() if not (headless and key in HEAD)}
    wrong = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
    if wrong:
        more = ", …" if len(wrong) > 3 else ""
        raise ValueError(
            f"{len(wrong)} keys are missing, unexpected or of another shape ({', '.join(wrong[:3])}{more})"
        )
    return layout


def _check_widths(layout: UNetLayout, family: UNetFamily) -> None:
    """Every level is a whole multiple of the first, which ComfyUI's UNet asks for, and of GroupNorm's groups."""
    first = layout.widths[0] if layout.widths else 0
    if first < 1 or any(width < 1 or width % GROUPS or width % first for width in layout.widths):
        raise ValueError(
            f"its levels are {', '.join(map(str, layout.widths)) or 'missing'} wide, and each must be a multiple of "
            f"the first and of {GROUPS}"
        )
    family.heads.counts([*(width for width, attends in zip(layout.widths, layout.attends, strict=True) if attends)])
    family.heads.counts(layout.widths[-1:])
    if family.learned_variance and layout.out_channels % 2:
        raise ValueError(f"it gives {layout.out_channels} channels, which are no prediction and its variance")


def _check_channels(layout: UNetLayout, family: UNetFamily) -> None:
    """What goes in is what the method concatenates."""
    if family.beside is None:
        return
    needed = family.beside.channels(layout.out_channels // (2 if family.learned_variance else 1))
    if layout.in_channels != needed:
        raise ValueError(f"it takes {layout.in_channels} channels where the method has {needed}")


def complete_layout(state: Mapping[str, Tensor], name: str, family: UNetFamily, headless: bool = False) -> UNetLayout:
    """As :func:`check_unet`, for users.

    Args:
        name: what the UNet is, for errors.

    Raises:
        PatchError: a sentence that begins with ``name``.
    """
    try:
        return check_unet(state, family, headless)
    except ValueError as error:
        raise PatchError(f"{name} is no complete UNet of {family.seen_in(state).title}: {error}.") from error
