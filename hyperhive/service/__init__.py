"""The service as one process: builds every part and gives each its owner."""
