"""Agents that were written for other assistants, read so that they can work here; nothing in them is run."""
