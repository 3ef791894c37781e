"""A scripted model that speaks the Anthropic Messages API, and the plays it acts in."""
