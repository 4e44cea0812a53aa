"""The MCP App's page as a file: it is whole, and it says itself what may run in it."""

import base64
import hashlib
import re

from guildhall.mcp_server.app import page
from guildhall.view.module import module, style


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy() -> dict[str, set[str]]:
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page())
    assert found
    return {name: set(values) for name, *values in (part.split() for part in found[1].split("; "))}


def test_no_script_and_no_style_may_be_used_but_those_that_are_in_the_page() -> None:
    scripts = re.findall(r"<script[^>]*>(.*?)</script", page(), re.DOTALL | re.IGNORECASE)
    styles = re.findall(r"<style>(.*?)</style", page(), re.DOTALL)
    assert len(scripts) == len(re.findall("</script", page(), re.IGNORECASE)) == 1
    assert policy()["script-src"] == {hash_of(scripts[0])}
    assert policy()["style-src"] == {hash_of(styles[0]), hash_of(style())}
    assert policy()["default-src"] == {"'none'"}
    assert "<!--" not in page()


def test_the_page_loads_nothing_and_sends_nothing() -> None:
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", page()))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of a language, not an address
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|importScripts|eval)\s*\(|\bimport\s*\(", page())


def test_texts_are_never_read_as_markup() -> None:
    ways = (
        "innerHTML|outerHTML|insertAdjacentHTML|document.write|createContextualFragment|srcdoc|DOMParser|"
        r"setHTML|\bhref|\.src\b|cssText|new Function|javascript:"
    )
    assert re.findall(ways, page()) == []


def test_the_module_stands_alone_and_exports_one_function() -> None:
    assert re.findall(r"^(?:import|export)\b.*", module(), re.MULTILINE) == [
        "export const {mount} = part_run;"
    ]
