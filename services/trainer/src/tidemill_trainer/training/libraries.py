"""Versions of what shapes a model's bytes."""

import platform
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("numpy", "onnx", "onnxruntime", "polars", "scikit-learn", "scipy", "skl2onnx", "torch")


def library_versions() -> dict[str, str]:
    """Library name to version, of those installed, and of Python."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
