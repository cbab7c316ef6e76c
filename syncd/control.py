"""The control socket, as its clients use it."""
