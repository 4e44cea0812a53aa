"""The face for notebooks: `%load_ext guildhall.jupyter_ext`, then `%%team`, `%%ask`, `%recall`, `%remember`.

Loading is cheap: what a run needs is imported by the first one.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: "InteractiveShell") -> None:
    """Add the magics to this shell; `%recall` stands in for IPython's own until they are unloaded."""
    from .magics import TeamMagics

    TeamMagics(shell).register()


def unload_ipython_extension(shell: "InteractiveShell") -> None:
    """Take the magics away, end the runs at work, and close what they had open."""
    from .magics import TeamMagics

    magics = shell.magics_manager.registry.get(TeamMagics.__name__)
    if isinstance(magics, TeamMagics):
        magics.unregister()
