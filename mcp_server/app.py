"""The MCP App: one page at a `ui://` address that shows a run live where the host renders it.

The page follows its run with `get_run(run_id, after)` and takes what is new from the result's `_meta`; Stop
is `cancel_run(run_id)`, and an answer is `get_run(run_id, question, answer, after)`. It shows the run of the
call that it belongs to, and while that has no result yet the newest run, if its task is the same.
"""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path

URI = "ui://guildhall/run.html"
VIEW = "guildhall/view"
"""Where `View.since(after)` stands in the `_meta` of a result of `get_run`."""

_STYLE = """
html { overflow: hidden }
body { margin: 0; max-height: var(--room, none); overflow: auto }
.notice { margin: 0; padding: 14px 16px; font: 13px/1.5 var(--font-sans, system-ui, sans-serif);
  color: var(--color-text-secondary, light-dark(#55585f, #a9acb2)); overflow-wrap: anywhere }
:root { color-scheme: light dark }
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Team run</title>
<style>{style}</style>
</head>
<body>
<script type="module">{script}</script>
</body>
</html>
"""


@cache
def page() -> str:
    """The HTML of the page; it loads nothing, and runs no script and takes no style but its own."""
    from guildhall.view.module import module, style

    bridge = (Path(__file__).parent / "bridge.mjs").read_text("utf-8")
    script = _inside_html(f"\n{module()}\nconst VIEW = {json.dumps(VIEW)};\n{bridge}")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(script)}",
            f"style-src {_hash(_STYLE)} {_hash(style())}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return _PAGE.format(policy=policy, style=_STYLE, script=script)


def _inside_html(script: str) -> str:
    """The script without what would end it, or begin a comment, for whoever reads it as HTML."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
