"""Canonical JSON: one text per meaning, so that a digest of it identifies the meaning."""

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces; ValueError for NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(data: bytes) -> str:
    """SHA-256 in hex: the name of `data` in the artifact store."""
    return hashlib.sha256(data).hexdigest()
