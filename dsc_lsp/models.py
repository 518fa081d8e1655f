"""Model families, one row each: the words in which a checkpoint was trained.

Control tokens are named here and looked up by name in the checkpoint's tokenizer, never by id.
To support another family, add a row; nothing else needs to know.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class FimFormat:
    """The control tokens around prefix, suffix and middle (PSM order: prefix, suffix, middle)."""

    begin: str
    hole: str
    end: str


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """How to talk to the checkpoints of one family.

    ``pattern`` is matched against a hub id or the last part of a path.
    ``stop`` are the control tokens that end a generation.
    ``anchor_lines`` says where the middle of a new prompt begins: ``None`` at the cursor, 0 at the
    start of its line, ``n`` at the start of a line at least ``n`` lines above, so that the model
    reads the recent text as the half of the middle that is already written.
    ``fim`` is ``None`` for checkpoints that only continue text.
    ``prompt_tokens`` and ``suffix_tokens`` cap what is worth showing: the lengths the family was
    trained at, and what is read again whenever the middle is anchored anew.
    ``heals`` says whether the family does better when it writes the word before the cursor itself.
    ``lookup_margin`` is for families so small that what the repository says has a say in the
    choice of each token, and by itself unless the model is so many times as sure as the lookup;
    ``None`` for all others.
    ``min_confidence`` is the likelihood below which a suggestion is not worth showing, unless the
    user says otherwise; 0 where confidence has not been compared with what is right.
    ``file_header`` stands above each other file that is shown, before the code of the current one;
    ``context_share`` is how much of the prompt such files may take (not measured yet).
    """

    name: str
    pattern: str
    begin_of_text: str
    stop: tuple[str, ...]
    fim: FimFormat | None
    anchor_lines: int | None
    prompt_tokens: int
    suffix_tokens: int
    heals: bool
    lookup_margin: float | None = None
    min_confidence: float = 0.0
    file_header: str = "#{path}\n"
    context_share: float = 0.0

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """Every control token that the family's prompts and stops need."""
        fim = (self.fim.begin, self.fim.hole, self.fim.end) if self.fim else ()
        return tuple(dict.fromkeys((self.begin_of_text, *fim, *self.stop)))


# DeepSeek-Coder's control tokens, written with U+FF5C and U+2581:
# https://huggingface.co/deepseek-ai/deepseek-coder-6.7b-base, tokenizer.json.
BEGIN_OF_TEXT = "<｜begin▁of▁sentence｜>"
END_OF_TEXT = "<｜end▁of▁sentence｜>"
END_OF_TURN = "<|EOT|>"
DEEPSEEK_FIM = FimFormat(begin="<｜fim▁begin｜>", hole="<｜fim▁hole｜>", end="<｜fim▁end｜>")

# A FIM model often goes on past the end of the middle without an end-of-text token
# (https://github.com/deepseek-ai/DeepSeek-Coder/issues/163), so every control token stops it.
_FIM_STOPS = (
    END_OF_TEXT,
    BEGIN_OF_TEXT,
    DEEPSEEK_FIM.begin,
    DEEPSEEK_FIM.hole,
    DEEPSEEK_FIM.end,
    END_OF_TURN,
)

STARTER = ModelFamily(
    name="dsc-starter",
    pattern=r"dsc-starter.*",
    begin_of_text=BEGIN_OF_TEXT,
    stop=_FIM_STOPS,
    fim=DEEPSEEK_FIM,
    # A model this small needs the recent text right before what it writes; measured with
    # ``eval --anchors`` in docs/log.md (fewer lines are worse, more no better).
    anchor_lines=8,
    prompt_tokens=480,
    suffix_tokens=96,
    heals=True,
    lookup_margin=1.5,
    # Of held-out holes 60 % are shown then and 57 % of these right; without it 98 and 36 %.
    min_confidence=0.1,
)

# The engine without a model reads no prompt, so it is given next to none.
LOOKUP = ModelFamily(
    name="lookup",
    pattern=r"lookup",
    begin_of_text=BEGIN_OF_TEXT,
    stop=(),
    fim=None,
    anchor_lines=None,
    prompt_tokens=64,
    suffix_tokens=0,
    heals=False,
    # 58 % shown and 54 % of these right; without it 91 and 35 %.
    min_confidence=0.05,
)

DEEPSEEK_CODER_BASE = ModelFamily(
    name="deepseek-coder-base",
    pattern=r"deepseek-coder-.*base.*",
    begin_of_text=BEGIN_OF_TEXT,
    stop=_FIM_STOPS,
    fim=DEEPSEEK_FIM,
    # The documented form, kept where typing began; other places are not measured yet.
    anchor_lines=None,
    prompt_tokens=16_384,
    suffix_tokens=256,
    heals=True,
    context_share=0.5,
)

# The instruct models are not trained to fill in the middle
# (https://github.com/deepseek-ai/DeepSeek-Coder/issues/80), so they only continue text.
DEEPSEEK_CODER_INSTRUCT = ModelFamily(
    name="deepseek-coder-instruct",
    pattern=r"deepseek-coder-.*instruct.*",
    begin_of_text=BEGIN_OF_TEXT,
    stop=(END_OF_TURN, END_OF_TEXT, BEGIN_OF_TEXT),
    fim=None,
    anchor_lines=None,
    prompt_tokens=16_384,
    suffix_tokens=256,
    heals=True,
    context_share=0.5,
)

# The embedded model, and the hub's checkpoints from the most to the least able.
STARTER_CHECKPOINT = Path(__file__).parent / "starter" / "dsc-starter"
HUB_CHECKPOINTS = (
    "deepseek-ai/deepseek-coder-33b-base",
    "deepseek-ai/deepseek-coder-6.7b-base",
    "deepseek-ai/deepseek-coder-1.3b-base",
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a Llama model; RoPE is as in DeepSeek-Coder."""

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int = 32_256
    positions: int = 16_384

    def config(self) -> dict[str, Any]:
        """Return what stands in ``config.json``."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "vocab_size": self.vocabulary,
            "max_position_embeddings": self.positions,
            "rms_norm_eps": 1e-6,
            "rope_theta": 100_000,
            "rope_scaling": {"type": "linear", "factor": 4.0},
            "tie_word_embeddings": False,
        }


# The shapes of the hub's checkpoints, and one for tests, to measure speed with random weights.
SHAPES = {
    "deepseek-coder-1.3b": Shape(2048, 5504, 24, 16, 16),
    "deepseek-coder-6.7b": Shape(4096, 11_008, 32, 32, 32),
    "deepseek-coder-33b": Shape(7168, 19_200, 62, 56, 8),
    "tiny": Shape(64, 128, 2, 4, 2),
}

FAMILIES: tuple[ModelFamily, ...] = (STARTER, DEEPSEEK_CODER_INSTRUCT, DEEPSEEK_CODER_BASE)


def family_of(name: str) -> ModelFamily:
    """Return the family whose pattern fits a hub id or directory name; DeepSeek-Coder base else.

    A checkpoint of another family under an unknown name is caught when its tokenizer is
    loaded, because the control tokens of the family must be in it.
    """
    last = name.rstrip("/").rsplit("/", 1)[-1].lower()
    for family in FAMILIES:
        if re.fullmatch(family.pattern, last):
            return family
    return DEEPSEEK_CODER_BASE
