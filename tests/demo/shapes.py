"""Compares the shapes of two JSON values: which keys stand where, and of which types."""

# Below these the keys are data: country codes, dates, what a plug-in stored.
MAPS = {"options", "totals", "value", "display_value", "args", "properties", "default"}


def kind(value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return {int: "number", float: "number", str: "string", list: "list", dict: "object"}[type(value)]


def walk(value, path: str = "", out: dict | None = None, keys: dict | None = None) -> tuple[dict, dict]:
    """Types by path, and by path of each object the keys that some or all of its instances have."""
    out = {} if out is None else out
    keys = {} if keys is None else keys
    out.setdefault(path, set()).add(kind(value))
    if path.rpartition(".")[2] in MAPS:
        return out, keys
    if isinstance(value, list):
        for item in value:
            walk(item, path + "[]", out, keys)
    elif isinstance(value, dict):
        some, every = keys.setdefault(path, (set(), set(value)))
        keys[path] = (some | set(value), every & set(value))
        for key, item in value.items():
            walk(item, f"{path}.{key}", out, keys)
    return out, keys
