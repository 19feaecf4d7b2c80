"""What changes a MODEL: the papers' mathematics in pure PyTorch, and the one file that binds it to ComfyUI."""
