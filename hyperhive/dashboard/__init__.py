"""The operator's pages: what the swarm does, and the forms by which it is told what to do."""
