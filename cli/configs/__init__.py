"""Edits of other programs' configuration files that leave everything else in them as it is."""
