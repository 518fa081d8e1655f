"""The embedded starter model: a small checkpoint that ships with the package, and its recipe."""

from pathlib import Path

CHECKPOINT = Path(__file__).parent / "dsc-starter"
