"""Answers and deliveries of real WooCommerce servers."""

import json
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "recordings" / "woocommerce"


@cache
def names(pattern: str = "*.json") -> list[str]:
    return sorted(path.stem for path in FOLDER.glob(pattern))


def recording(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text())


def body(name: str):
    return json.loads(recording(name)["body"])
