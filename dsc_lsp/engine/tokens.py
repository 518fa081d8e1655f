"""Text and token ids: a checkpoint's tokenizer, self-tested, and bytes back to text.

Facts this rests on (measured, see docs/decisions.md): a line break is a hard token boundary, so a
text's ids are its lines' ids one after another and can be cached per line; the FIM tokens are
ordinary added tokens in DeepSeek-Coder's file, so no flag keeps a user's text from becoming one.
"""

import codecs
import io
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer

from dsc_lsp.document import split_lines
from dsc_lsp.engine.base import EngineError
from dsc_lsp.models import ModelFamily

_CACHED_LINES = 20_000
_LONGEST_CACHED_LINE = 1_000
_SELF_TEST = 'def größe(x):\r\n\tif x  !=  "ä":  # 日本\n        return f(x, 10)\n\n\n}\n'


class CheckpointTokenizer:
    """The tokenizer of one checkpoint: encoding per line, ids of control tokens, bytes of ids."""

    def __init__(
        self, encoder: FastTokenizer, control_ids: Mapping[str, int], id_to_bytes: list[bytes]
    ) -> None:
        self._encoder = encoder
        self._control_ids = dict(control_ids)
        self._bytes = id_to_bytes
        self._remembered = lru_cache(_CACHED_LINES)(self._encode_line)
        self._first = lru_cache(_CACHED_LINES)(self._first_of)

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the ids of user text; control tokens written in it are ordinary text."""
        encoded = map(self._ids_of_line, split_lines(text))
        return tuple(chain.from_iterable(encoded))

    def first(self, text: str) -> int | None:
        """Return the first id of a text; ``None`` if it is empty."""
        return self._first(text)

    def control(self, name: str) -> int:
        """Return the id of a control token of the family."""
        return self._control_ids[name]

    @property
    def control_ids(self) -> frozenset[int]:
        """The ids of all tokens that stand for something else than their text."""
        return frozenset(token for name, token in self._control_ids.items() if name[:1] == "<")

    def says_the_same_as(self, other: "CheckpointTokenizer") -> bool:
        """Whether each id stands for the same bytes or control token in both."""
        return self._bytes == other._bytes and self._control_ids == other._control_ids

    @property
    def size(self) -> int:
        """How many ids there are; the highest is one less."""
        return len(self._bytes)

    def bytes_of(self, token: int) -> bytes:
        """Return the UTF-8 bytes that a token stands for, perhaps a part of a character.

        An id past the vocabulary (a padded output layer) stands for nothing.
        """
        return self._bytes[token] if token < len(self._bytes) else b""

    def _first_of(self, text: str) -> int | None:
        ids = self.encode(text)
        return ids[0] if ids else None

    def _ids_of_line(self, line: str) -> tuple[int, ...]:
        return (self._remembered if len(line) <= _LONGEST_CACHED_LINE else self._encode_line)(line)

    def _encode_line(self, line: str) -> tuple[int, ...]:
        # Half a surrogate pair, which JSON can carry, has no UTF-8 and would be refused.
        sound = line.encode("utf-8", "replace").decode()
        return tuple(self._encoder.encode(sound, add_special_tokens=False).ids)


def load_tokenizer(path: Path, family: ModelFamily) -> CheckpointTokenizer:
    """Read ``tokenizer.json`` and prove that it round-trips code and knows the control tokens.

    Raises:
        EngineError: the file is missing or broken, or is not of this family.
    """
    remedy = "Download the checkpoint again."
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        added: list[dict[str, Any]] = description["added_tokens"]
        vocabulary: dict[str, int] = dict(description["model"]["vocab"])
        control_ids = {entry["content"]: int(entry["id"]) for entry in added}
        encoder = _without_control_tokens(description)
        id_to_bytes = _bytes_table(vocabulary, added)
    except FileNotFoundError:
        raise EngineError(f"{path} is missing. {remedy}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(
            f"{path} is not a readable tokenizer ({_brief(error)}). {remedy}"
        ) from error
    except Exception as error:  # tokenizers raises plain Exception for a bad description
        raise EngineError(f"{path} is not a usable tokenizer. {remedy}") from error
    absent = [name for name in family.control_tokens if name not in control_ids]
    if absent:
        raise EngineError(
            f"{path} lacks the control tokens {', '.join(absent)}, so it is not a"
            f" {family.name} model. Choose a DeepSeek-Coder checkpoint in `dsc.model`."
        )
    tokenizer = CheckpointTokenizer(encoder, control_ids, id_to_bytes)
    _self_test(tokenizer, encoder, path)
    return tokenizer


def text_decoder() -> Callable[[bytes], str]:
    """Return a function from the next bytes to the next whole characters.

    Bytes of an unfinished character are held back; bytes that are no UTF-8 are left out. All
    line breaks become ``\n``, so that what follows need not know the others.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    return io.IncrementalNewlineDecoder(decoder, translate=True).decode


def _without_control_tokens(description: Mapping[str, Any]) -> FastTokenizer:
    """Build the encoder of user text: the tokenizer without its angle-bracketed added tokens.

    DeepSeek's other added tokens (ö, ÷ and the like) are text and stay.
    """
    kept = [entry for entry in description["added_tokens"] if entry["content"][:1] != "<"]
    bare = dict.fromkeys(("post_processor", "truncation", "padding"))
    stripped = {**description, "added_tokens": kept, **bare}
    return FastTokenizer.from_str(json.dumps(stripped))


def _bytes_table(vocabulary: Mapping[str, int], added: list[dict[str, Any]]) -> list[bytes]:
    size = 1 + max([*vocabulary.values(), *(int(entry["id"]) for entry in added)])
    table = [b""] * size
    letters = _byte_of_letter()
    for piece, token in vocabulary.items():
        if all(letter in letters for letter in piece):
            table[token] = bytes(letters[letter] for letter in piece)
    for entry in added:
        # Added tokens are plain text, not byte letters: decoding them as such gives "f\ufffdr"
        # for "für" (https://github.com/deepseek-ai/DeepSeek-Coder/issues/88).
        table[int(entry["id"])] = str(entry["content"]).encode()
    return table


def _byte_of_letter() -> dict[str, int]:
    """Return the byte for each letter in which byte-level BPE writes its vocabulary.

    GPT-2's table: printable Latin-1 bytes stand for themselves, the others for U+0100 onwards
    (https://github.com/openai/gpt-2/blob/master/src/encoder.py, ``bytes_to_unicode``).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    plain = {chr(byte): byte for byte in printable}
    return plain | {chr(0x100 + index): byte for index, byte in enumerate(others)}


def _self_test(tokenizer: CheckpointTokenizer, encoder: FastTokenizer, path: Path) -> None:
    ids = tokenizer.encode(_SELF_TEST)
    if b"".join(tokenizer.bytes_of(token) for token in ids).decode("utf-8", "replace") != (
        _SELF_TEST
    ):
        raise EngineError(
            f"{path} does not give code back as it was (white space or letters are lost)."
            " Download the checkpoint again."
        )
    if tuple(encoder.encode(_SELF_TEST, add_special_tokens=False).ids) != ids:
        raise EngineError(
            f"{path} joins tokens across line breaks, which this server does not support."
            " Choose a DeepSeek-Coder checkpoint in `dsc.model`."
        )


def _brief(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
