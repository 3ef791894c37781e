"""The surface for agents: one socket each, for messages over the link and for the model."""
