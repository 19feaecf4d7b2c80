"""Every node of the pack, gathered for the host."""

from comfy_api.latest import ComfyExtension, io


class MannequinExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return []


async def comfy_entrypoint() -> MannequinExtension:
    return MannequinExtension()
