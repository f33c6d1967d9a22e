"""Where reference material for tests lies; tests that need it skip where it is absent."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shared(*parts: str) -> Path:
    """A file or folder of the reference material, or a skip that says what is missing."""
    base = Path(os.environ.get("NERVURE_SHARED") or ROOT.parent / "shared")
    path = base.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"reference material {'/'.join(parts)!r} is absent (set NERVURE_SHARED)")
    return path
