"""Adapter: agents in systemd-nspawn containers, driven over D-Bus; what runs as root for them."""
