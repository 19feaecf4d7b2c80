"""Image in, condition out: keypoints, skeletons, parsing. No ComfyUI, no diffusers; heavy libraries when first needed."""
