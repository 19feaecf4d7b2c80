"""One attention a file, in pure PyTorch; tokens are ``[batch, tokens, heads * head_dim]`` throughout."""
