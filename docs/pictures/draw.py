"""Draw what a command printed as a terminal.

``dsc-lsp demo | python docs/pictures/draw.py > docs/pictures/demo.svg``

Ghost text, which the demo writes between ‹ and ›, is drawn gray, as editors do. Nothing is left
out but what does not fit: the rows are the last ones printed.
"""

import html
import re
import sys

_ROWS = 26
_COLUMNS = 96
_GLYPH = 8.4
_LEADING = 19
_MARGIN = 16


def svg(lines: list[str]) -> str:
    """Return the picture of some lines of output."""
    rows = [line[:_COLUMNS] for line in lines][-_ROWS:]
    width, height = _COLUMNS * _GLYPH + 2 * _MARGIN, len(rows) * _LEADING + 2 * _MARGIN
    texts = "\n".join(_row(line, number) for number, line in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}">\n'
        "<style>text { font: 14px monospace; fill: #d8dee9; white-space: pre }\n"
        ".ms { fill: #6f8f9f } .ghost { fill: #7b8394; font-style: italic }</style>\n"
        f'<rect width="100%" height="100%" rx="8" fill="#1f232b"/>\n{texts}\n</svg>\n'
    )


def _row(line: str, number: int) -> str:
    escaped = html.escape(line)
    escaped = re.sub(r"^( *\d+ ms)", r'<tspan class="ms">\1</tspan>', escaped)
    escaped = re.sub(r"‹(.*?)›?$", r'<tspan class="ghost">\1</tspan>', escaped)
    y = _MARGIN + (number + 1) * _LEADING - 5
    return f'<text x="{_MARGIN}" y="{y}" xml:space="preserve">{escaped}</text>'


if __name__ == "__main__":
    sys.stdout.write(svg(sys.stdin.read().splitlines()))
