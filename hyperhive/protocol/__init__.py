"""What both sides of the container agree on, with the standard library only."""
