"""The rules of the swarm, without any I/O: what may happen, in which order, and what follows."""
