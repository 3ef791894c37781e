"""A whole systemd host in namespaces, thrown away afterwards: for tests, for a trial, for a look.

It sees this machine's programs and the clone through an overlay and changes nothing outside.
"""
