"""Sums of the files that the example graphs have the front end download, each as public sources state it."""

#: SHA-256 by repository and file: it tells a damaged or another file from the one that was meant.
SHA256 = {
    "Comfy-Org/stable-diffusion-v1-5-archive/v1-5-pruned-emaonly-fp16.safetensors": (
        "e9476a13728cd75d8279f6ec8bad753a66a1957ca375a1464dc63b37db6e3916"
    ),
    "LayerNorm/DensePose-TorchScript-with-hint-image/densepose_r101_fpn_dl.torchscript": (
        "4fe0d458d7ad25bd97d03605f693a2547219e4bae4de9aa727ebb7ecbaaf65a3"
    ),
    "comfyanonymous/ControlNet-v1-1_fp16_safetensors/control_v11p_sd15_openpose_fp16.safetensors": (
        "4003c1da17b0e4ba444e02140e1c0d83bb24b79e4dcfd613c3a554d38f0f89c7"
    ),
    "facebook/dinov2-giant/model.safetensors": ("917d3c470db999d32a312f8542149be91c7cbac61ee8fb4b67ae3d82b79ce21f"),
    "laion/CLIP-ViT-H-14-laion2B-s32B-b79K/model.safetensors": (
        "036e6e2bd49697511f4f8b8cb5ee465f93025f7a69a145eadeb9a881ace9b18d"
    ),
    "openai/clip-vit-large-patch14/model.safetensors": (
        "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb"
    ),
    "stabilityai/sd-vae-ft-mse-original/vae-ft-mse-840000-ema-pruned.safetensors": (
        "735e4c3a447a3255760d7f86845f09f937809baa529c17370d83e4c3758f3c75"
    ),
    "stabilityai/stable-diffusion-xl-base-1.0/sd_xl_base_1.0.safetensors": (
        "31e35c80fc4829d14f90153f4c74cd59c90b779f6afe05a74cd6120b893f7e5b"
    ),
    "xinsir/controlnet-openpose-sdxl-1.0/diffusion_pytorch_model.safetensors": (
        "b8524e557a7df60d081f5d4a0eb109967d107df217943bf88c2d99b9ebcc06c5"
    ),
}
