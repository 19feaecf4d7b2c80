"""What happens to predictions between two sampling steps, in pure PyTorch."""
