"""Other nodes in the place of a shared graph's loaders."""

#: What the untrained model gives in the place of the demo weights' loaders, by class and output.
DEMO_BY_UNTRAINED = {
    ("MannequinLoadTruePoseModel", 0): 0,
    ("MannequinLoadTruePoseModel", 1): 0,
    ("MannequinLoadTruePoseModel", 2): 3,
    ("VAELoader", 0): 1,
    ("MannequinLoadSmallCLIPVision", 0): 2,
    ("CLIPVisionLoader", 0): 2,
}


def untrained_instead(prompt: dict, width: int = 64, layout: str = "SD1.5") -> dict:
    """An API graph whose model, VAE and image encoder are those of one Untrained Small Model."""
    parts = "9999"
    replaced = {
        (number, slot): instead
        for number, node in prompt.items()
        for (kind, slot), instead in DEMO_BY_UNTRAINED.items()
        if node["class_type"] == kind
    }
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and tuple(value) in replaced:
                node["inputs"][name] = [parts, replaced[tuple(value)]]
    for number in {number for number, _ in replaced}:
        del prompt[number]
    prompt[parts] = {
        "class_type": "MannequinUntrainedModel",
        "inputs": {"layout": layout, "width": width, "seed": 0},
        "_meta": {"title": ""},
    }
    return prompt
