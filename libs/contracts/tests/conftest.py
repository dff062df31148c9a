"""An example pipeline file, and a way to write it with one mistake."""

from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent / "pipeline.yaml"
Write = Callable[..., Path]


@pytest.fixture
def example() -> Path:
    return EXAMPLE


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the example, each old text replaced by a new one, to `<folder>/pipeline.yaml`."""

    def write_file(*replacements: tuple[str, str], folder: str = "one") -> Path:
        text = EXAMPLE.read_text()
        for old, new in replacements:
            assert text.count(old) == 1, f"{old!r} is in the example {text.count(old)} times"
            text = text.replace(old, new)
        path = tmp_path / folder / "pipeline.yaml"
        path.parent.mkdir()
        path.write_text(text)
        return path

    return write_file
