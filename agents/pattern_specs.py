"""All patterns that a team's file can name."""

from .patterns.auto import AutoSpec
from .patterns.debate import DebateSpec
from .patterns.first_valid import FirstValidSpec
from .patterns.graph_spec import GraphSpec
from .patterns.group_chat import GroupChatSpec
from .patterns.handoff import HandoffSpec
from .patterns.hierarchy_spec import HierarchySpec
from .patterns.loop import LoopSpec
from .patterns.map import MapSpec
from .patterns.parallel import ParallelSpec
from .patterns.peer_to_peer import PeerToPeerSpec
from .patterns.pipeline import PipelineSpec
from .patterns.router import RouterSpec
from .patterns.swarm import SwarmSpec
from .patterns.vote import VoteSpec
from .spec_types import TeamSpec

PATTERNS: dict[str, type[TeamSpec]] = {
    "auto": AutoSpec,
    "debate": DebateSpec,
    "first_valid": FirstValidSpec,
    "graph": GraphSpec,
    "group_chat": GroupChatSpec,
    "handoff": HandoffSpec,
    "hierarchy": HierarchySpec,
    "loop": LoopSpec,
    "map": MapSpec,
    "parallel": ParallelSpec,
    "peer_to_peer": PeerToPeerSpec,
    "pipeline": PipelineSpec,
    "router": RouterSpec,
    "swarm": SwarmSpec,
    "vote": VoteSpec,
}
"""The spec of each pattern; a new pattern is a subclass with its keys, and a line here."""
