"""Developer tooling: the environment, a real host in a process or a server, the demo, parity. Not part of the pack."""
