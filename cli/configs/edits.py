"""What adding or taking out the server changes in a host's file, and the text in which that is done."""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

from guildhall.hosts import SERVER, Entry, Host

from . import jsonc, toml
from .unfit import Unfit

_OF_A_URL = ("url", "serverUrl", "httpUrl")


class Change(NamedTuple):
    """A value to put at a path; with `add`, to append to the array there; with None, to take out."""

    path: tuple[str | int, ...]
    value: Any = None
    add: bool = False


def to_add(host: Host, said: Any, entry: Entry) -> list[Change]:
    """What is missing for the server to be there; what the user has put into its entry stays.

    Raises Unfit where the file holds something else in that place.
    """
    there, path, ids = _mapping(said, host.key).get(SERVER), (host.key, SERVER), _ids(said)
    if not isinstance(there, dict) or _is_other(there):
        changes, env = [Change(path, entry.fields)], entry.fields.get("env", {})
    else:
        changes, env = _to_update(host, there, entry.fields)
    asked = [one for one in entry.inputs if one["id"] not in ids]
    asked = [one for one in asked if f"${{input:{one['id']}}}" in env.values()]
    return [*(Change(("inputs",), one, add=True) for one in asked), *changes]


def to_remove(host: Host, said: Any, made: Sequence[str]) -> list[Change]:
    """What takes the server out, its questions to the user, and what was `made` for it and is empty then."""
    if SERVER not in _mapping(said, host.key):
        return []
    changes = [Change((host.key, SERVER))]
    ours = [at for at, one in enumerate(_ids(said)) if one.startswith(f"{SERVER}-")]
    changes += [Change(("inputs", at)) for at in reversed(ours)]
    left = {} if host.toml else changed(said, changes)  # a table above others need not be there
    changes += [Change((key,)) for key in made if key in left and not left[key]]
    return changes


def edited(host: Host, text: str, changes: Sequence[Change]) -> str:
    """The text with the changes, which says what it said but for them. Raises Unfit."""
    wanted = changed(read(host, text), changes)
    for path, value, add in changes:
        names = [str(key) for key in path]
        if add:
            text = jsonc.add(text, names, value)
        elif host.toml:
            text = toml.drop(text, names) if value is None else toml.put(text, names, value)
        else:
            text = jsonc.drop(text, path) if value is None else jsonc.put(text, names, value)
    try:
        came_of_it = read(host, text)
    except Unfit:
        came_of_it = None
    if came_of_it is None or _told(host, came_of_it) != _told(host, wanted):
        raise Unfit(f"{host.key}.{SERVER} cannot be edited without touching something else: edit it yourself")
    return text


def read(host: Host, text: str) -> Any:
    """What a host's file says. Raises Unfit."""
    said = (toml if host.toml else jsonc).parse(text)
    if not isinstance(said, dict):
        raise Unfit("it holds no object")
    return said


def changed(said: Any, changes: Sequence[Change]) -> Any:
    """What the file says once the changes are made."""
    said = copy.deepcopy(said)
    for path, value, add in changes:
        at = said
        for key in path[:-1]:
            at = at[key] if isinstance(key, int) else at.setdefault(key, {})
        if value is None:
            del at[path[-1]]
        elif add:
            at.setdefault(path[-1], []).append(copy.deepcopy(value))
        else:
            at[path[-1]] = copy.deepcopy(value)
    return said


def _told(host: Host, said: Any) -> Any:
    """What the file says, where it is the same whether an empty table is there or not."""
    return {key: value for key, value in said.items() if not (host.toml and key == host.key and not value)}


def _is_other(there: dict[str, Any]) -> bool:
    """Whether the entry is no program to start."""
    return there.get("type", "stdio") != "stdio" or any(name in there for name in _OF_A_URL)


def _to_update(
    host: Host, there: dict[str, Any], fields: dict[str, Any]
) -> tuple[list[Change], dict[str, Any]]:
    """What an entry lacks, and the variables that it sets then."""
    path = (host.key, SERVER)
    wanted = {"command": fields["command"], "args": [*fields["args"], *_options(there.get("args"))]}
    changes = [Change((*path, name), value) for name, value in wanted.items() if there.get(name) != value]
    env = there.get("env", {})
    if not isinstance(env, dict):
        raise Unfit(f"{host.key}.{SERVER}.env is no object in it, and has to be one")
    missing = {name: value for name, value in fields.get("env", {}).items() if name not in env}
    if missing and (host.toml or "env" not in there):
        changes.append(Change((*path, "env"), {**env, **missing}))
    else:
        changes += [Change((*path, "env", name), value) for name, value in missing.items()]
    named = there.get("env_vars", [])
    if not isinstance(named, list):
        raise Unfit(f"{host.key}.{SERVER}.env_vars is no array in it, and has to be one")
    more = [name for name in fields.get("env_vars", []) if name not in named and name not in env]
    if more:
        changes.append(Change((*path, "env_vars"), [*named, *more]))
    return changes, {**env, **missing}


def _options(arguments: Any) -> list[Any]:
    """What the user has put behind the command that starts the server."""
    return (
        arguments[arguments.index("mcp") + 1 :] if isinstance(arguments, list) and "mcp" in arguments else []
    )


def _mapping(said: Any, key: str) -> dict[str, Any]:
    found = said.get(key, {})
    if not isinstance(found, dict):
        raise Unfit(f"{key} is no object in it, and has to be one")
    return found


def _ids(said: Any) -> list[str]:
    inputs = said.get("inputs", [])
    if not isinstance(inputs, list):
        raise Unfit("inputs is no array in it, and has to be one")
    return [str(one.get("id", "")) if isinstance(one, dict) else "" for one in inputs]
