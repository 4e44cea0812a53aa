"""Names that every face lists; here, so that none has to load what they stand for."""

KINDS = ("fact", "decision", "procedure", "preference", "episode", "summary", "document")
"""Of what is remembered."""
PATTERNS = (
    "auto", "debate", "first_valid", "graph", "group_chat", "handoff", "hierarchy", "loop", "map", "parallel",
    "peer_to_peer", "pipeline", "router", "swarm", "vote",
)  # fmt: skip
"""The ways of working together, in the order of the alphabet."""
WAIT = 45.0
"""Seconds that one call of an assistant waits for a run; many assistants give up after 60."""
LEAST_WAIT, MOST_WAIT = 0.1, 3_600.0
