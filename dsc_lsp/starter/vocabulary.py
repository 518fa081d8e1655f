"""The tokenizer: byte-level BPE in which a line end is always a token of its own.

The server encodes a text line by line and keeps the encodings, so ``encode(a + b)`` must equal
``encode(a) + encode(b)`` wherever ``a`` ends with a newline. Indentation is its own token too:
whoever types a line has typed its indentation before the cursor, and the model goes on with
a word that no longer depends on it.
"""

import json
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from dsc_lsp import models

_LINE_END = r"[\r\n]"
_PIECES = (
    r"^[ \t]+"  # indentation: line ends were split off before, so "^" is a line's start
    r"| ?[\p{L}\p{M}_]+"  # a word with its space; snake_case stays whole, to be merged by BPE
    r"| ?\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}_]+"
    r"|\s+(?!\S)"
    r"|\s"
)

# In DeepSeek-Coder's order; "special" as in its tokenizer.json.
CONTROL_TOKENS = (
    AddedToken(models.BEGIN_OF_TEXT, special=True, normalized=True),
    AddedToken(models.END_OF_TEXT, special=True, normalized=True),
    AddedToken(models.DEEPSEEK_FIM.hole, special=False, normalized=True),
    AddedToken(models.DEEPSEEK_FIM.begin, special=False, normalized=True),
    AddedToken(models.DEEPSEEK_FIM.end, special=False, normalized=True),
    AddedToken(models.END_OF_TURN, special=True, normalized=True),
)


def train(texts: Iterable[str], size: int) -> Tokenizer:
    """Learn ``size`` tokens, control tokens included, from ``texts``."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_LINE_END), "isolated"),
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = BpeTrainer(
        vocab_size=size - len(CONTROL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=sys.stderr.isatty(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens(list(CONTROL_TOKENS))
    return tokenizer


class Encoder:
    """Text to token ids as the server does it: no control tokens, line by line, with a cache."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = without_control_tokens(tokenizer)
        self._encode_cached = lru_cache(maxsize=1 << 16)(self._encode)
        self._word = self._encode(_ANY_WORD)
        self.vocabulary_size = tokenizer.get_vocab_size()
        self.begin_of_text = _id(tokenizer, models.BEGIN_OF_TEXT)
        self.end_of_text = _id(tokenizer, models.END_OF_TEXT)
        self.fim_begin = _id(tokenizer, models.DEEPSEEK_FIM.begin)
        self.fim_hole = _id(tokenizer, models.DEEPSEEK_FIM.hole)
        self.fim_end = _id(tokenizer, models.DEEPSEEK_FIM.end)
        self.control_ids = frozenset(_id(tokenizer, token.content) for token in CONTROL_TOKENS)

    def encode(self, text: str) -> list[int]:
        """Encode text that begins at the start of a line."""
        lines = text.split("\n")
        ids = [token for line in lines[:-1] for token in self._encode_cached(line + "\n")]
        return ids + list(self._encode_cached(lines[-1]))

    def encode_rest(self, text: str) -> list[int]:
        """Encode text that begins inside a line, where leading blanks are no indentation."""
        if text[:1] not in (" ", "\t"):
            return self.encode(text)
        return self.encode(_ANY_WORD + text)[len(self._word) :]

    def decode(self, ids: list[int]) -> str:
        """Turn ids back into text; control tokens vanish."""
        return self._tokenizer.decode(ids)

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)


_ANY_WORD = "a"  # A word never joins with the blanks after it.


def without_control_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """Return a copy that reads the names of control tokens as plain text."""
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [
        token for token in content["added_tokens"] if not token["content"].startswith("<")
    ]
    return Tokenizer.from_str(json.dumps(content))


def load(path: Path) -> Tokenizer:
    """Read a ``tokenizer.json``."""
    return Tokenizer.from_file(str(path))


def _id(tokenizer: Tokenizer, name: str) -> int:
    token = tokenizer.token_to_id(name)
    assert token is not None, f"control token {name} is missing"
    return token
