"""The embedded starter model: a small checkpoint that ships with the package, and its recipe."""
