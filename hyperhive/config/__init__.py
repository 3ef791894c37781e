"""The service's configuration file: YAML, read once, checked whole, frozen."""

from hyperhive.config.file import load, read
from hyperhive.config.options import AgentConfig, Config, RuntimeConfig

__all__ = ["AgentConfig", "Config", "RuntimeConfig", "load", "read"]
