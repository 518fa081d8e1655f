"""Which licenses allow training: read from a package's own metadata, permissive ones only."""

from collections.abc import Mapping

# Licenses that the metadata leave unclear, read by hand in the distribution.
LICENSE_OVERRIDES = {
    # Every part of torch's composite expression is permissive (BSL-1.0 and the LLVM exception
    # are for bundled C++); its Python files are BSD-3-Clause.
    "torch": "BSD-3-Clause",
    # numpy's expression lists the licenses of its bundled C code beside its own.
    "numpy": "BSD-3-Clause",
}
PERMISSIVE = frozenset(
    {
        "0bsd",
        "apache-2.0",
        "bsd-2-clause",
        "bsd-3-clause",
        "cc0-1.0",
        "hpnd",
        "isc",
        "mit",
        "mit-0",
        "mit-cmu",
        "psf-2.0",
        "python-2.0",
        "unlicense",
        "zlib",
    }
)
_PERMISSIVE_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
    "License :: OSI Approved :: The Unlicense (Unlicense)": "Unlicense",
    "License :: OSI Approved :: zlib/libpng License": "Zlib",
    "License :: CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
}
# The free-text license field, as old metadata spell it, whole and lower case.
_PERMISSIVE_NAMES = {
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "isc license": "ISC",
    "mit license": "MIT",
    "psf": "PSF-2.0",
}


def permissive_license(name: str, metadata: Mapping[str, list[str]]) -> str | None:
    """Return the SPDX expression of a distribution if it is permissive, else ``None``.

    ``metadata`` maps ``License-Expression``, ``License`` and ``Classifier`` to their values.
    An expression counts only if every license that it joins is permissive, or one side of
    each ``OR`` is.
    """
    if override := LICENSE_OVERRIDES.get(name):
        return override
    expressions = [text for text in metadata.get("License-Expression", []) if text.strip()]
    if expressions:
        return expressions[0] if is_permissive_expression(expressions[0]) else None
    classifiers = [text for text in metadata.get("Classifier", []) if text.startswith("License")]
    classifiers = [text for text in classifiers if text != "License :: OSI Approved"]
    if classifiers:
        names = [_PERMISSIVE_CLASSIFIERS.get(text) for text in classifiers]
        return " AND ".join(sorted({name for name in names if name})) if all(names) else None
    free = " ".join(metadata.get("License", [])).strip()
    if _PERMISSIVE_NAMES.get(free.lower()):
        return _PERMISSIVE_NAMES[free.lower()]
    return free if free and is_permissive_expression(free) else None


def is_permissive_expression(expression: str) -> bool:
    """Say whether an SPDX expression without nesting can be fulfilled with permissive terms."""
    plain = expression.lower().replace("(", " ").replace(")", " ")
    if "(" in expression and " or " in plain and " and " in plain:
        return False  # Nested: read by hand or left out.
    return all(
        any(alternative.strip() in PERMISSIVE for alternative in part.split(" or "))
        for part in plain.split(" and ")
    )
