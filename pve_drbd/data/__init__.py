"""Catalogue and schemas, shipped beside the code: read like code, never written."""

from __future__ import annotations

from functools import cache


@cache
def shipped_text(name: str) -> str:
    """The text of the file `name` of this folder, through whatever loader brought the package."""
    loader, origin = __spec__.loader, __spec__.origin
    data: bytes = loader.get_data(origin.removesuffix("__init__.py") + name)  # type: ignore[union-attr]
    return data.decode()
