"""Configurations as git repositories, and what Nix makes of them."""
