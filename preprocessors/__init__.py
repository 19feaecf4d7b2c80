"""Image in, condition out: keypoints, skeletons, parsing. No ComfyUI, no diffusers; libraries when first needed."""
