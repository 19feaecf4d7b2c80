"""What graphs on the pack's own weights share."""

from .graph_drawing import Drawn, Graph

#: What the demo weights were trained at, and how their results were measured.
DEMO_SIZE = {"width": 96, "height": 128}
DEMO_STEPS, DEMO_GUIDANCE = 25, 1.5


def fitted_photo(graph: Graph, title: str, photo: str, width: int, height: int) -> tuple[Drawn, Drawn]:
    """A photo, and the same at the model's size."""
    loaded = graph.add(0, "LoadImage", title, image=photo)
    fitted = graph.add(
        1,
        "ImageScale",
        f"{title}, at the model's size",
        image=loaded["IMAGE"],
        upscale_method="lanczos",
        width=width,
        height=height,
        crop="center",
    )
    return loaded, fitted
