"""The service as one process: builds every part and gives each its owner."""

from hyperhive.service.run import serve

__all__ = ["serve"]
