"""Ways for members to work together. Each is itself a member, so they nest."""

from .auto import Auto
from .checks import Acceptance, Policy, Quality
from .citations import Citations
from .conflicts import Settlement
from .debate import Debate
from .first_valid import FirstValid
from .graph import Graph, Repeat, Step
from .group_chat import GroupChat
from .handoff import Handoff
from .hierarchy import Hierarchy
from .human import Human
from .loop import Loop
from .map import Map
from .parallel import Parallel
from .peer_to_peer import PeerToPeer
from .pipeline import Pipeline
from .router import Router
from .supervised import Supervised
from .swarm import Swarm
from .vote import Vote
from .watchdog import Watchdog

__all__ = [
    "Acceptance",
    "Auto",
    "Citations",
    "Debate",
    "FirstValid",
    "Graph",
    "GroupChat",
    "Handoff",
    "Hierarchy",
    "Human",
    "Loop",
    "Map",
    "Parallel",
    "PeerToPeer",
    "Pipeline",
    "Policy",
    "Quality",
    "Repeat",
    "Router",
    "Settlement",
    "Step",
    "Supervised",
    "Swarm",
    "Vote",
    "Watchdog",
]
