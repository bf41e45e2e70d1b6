"""Imports point down: `docs/architecture.md` draws the floors."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {
    "crm.work": 0,
    "crm.stores": 0,
    "crm.rest": 1,
    "crm.events": 2,
    "crm.orders": 3,
    "crm.woocommerce": 4,
    "crm.portal": 4,
    "crm.messaging": 5,
    "crm.shipping": 6,
    "crm.reviews": 7,
    "crm.insights": 7,
    "loyalty": 8,
    "support": 8,
    "postpurchase": 9,
}
# The demo shop and the database's starter know nothing of the product.
BELOW_ALL = {"postpurchase.demo", "postpurchase.database", "postpurchase.processes"}
# Settings and manage.py may say what they like; a migration imports what it changes.
FREE = {"migrations", "settings.py"}


def room_of(module: str) -> str | None:
    """`crm.orders` for `crm.orders.models.orders`; None for a module that is not ours."""
    parts = module.split(".")
    name = ".".join(parts[:2]) if parts[0] == "crm" else parts[0]
    return name if name in FLOORS else None


def imports_of(path: Path) -> set[str]:
    """Absolute names of all modules that a file imports, wherever in it."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def arrows() -> list[tuple[Path, str, str]]:
    """Every import of one room by a file of another: (file, its room, imported module)."""
    result = []
    for top in ("crm", "support", "loyalty", "postpurchase"):
        for path in sorted((ROOT / top).rglob("*.py")):
            if FREE & set(path.parts):
                continue
            room = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
            result += [
                (path.relative_to(ROOT), room, name) for name in imports_of(path) if room_of(name) not in (None, room)
            ]
    return result


def test_imports_point_down():
    wrong = [
        f"{path} imports {name}"
        for path, room, name in arrows()
        if room and FLOORS[room_of(name)] >= FLOORS[room] and not any(name.startswith(low) for low in BELOW_ALL)
    ]

    assert wrong == []


def test_the_demo_shop_stands_alone():
    wrong = [
        f"{path} imports {name}"
        for path, _room, name in arrows()
        if path.parts[:2] == ("postpurchase", "demo") and path.name != "run.py"
    ]

    assert wrong == []


def test_only_the_connector_talks_to_woocommerce():
    wrong = [
        str(path)
        for top in ("crm", "support", "loyalty", "postpurchase")
        for path in sorted((ROOT / top).rglob("*.py"))
        if "woocommerce" not in path.parts
        and "demo" not in path.parts
        and {"woocommerce", "requests"} & imports_of(path)
        and "bench" not in path.parts
    ]

    assert wrong == []


@pytest.mark.parametrize("room", [room for room in FLOORS if room not in ("crm.insights",)])
def test_every_room_on_the_plan_exists(room):
    assert (ROOT / room.replace(".", "/") / "__init__.py").exists()
