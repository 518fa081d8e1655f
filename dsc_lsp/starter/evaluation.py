"""How good the starter is on code it has not seen: bits a byte and rest-of-line holes.

Holes are completed greedily from prompts laid out as the server does. A hole is exact when the
text up to the end of the line is right; "unseen" counts only those whose line does not occur
in the training corpus.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from random import Random
from typing import Any

import torch
from torch import Tensor

from dsc_lsp import models
from dsc_lsp.starter import examples
from dsc_lsp.starter.progress import Report, watched
from dsc_lsp.starter.vocabulary import Encoder

LONGEST_REST = 64  # tokens


@dataclass(frozen=True, slots=True)
class TestHole:
    """A hole of a held-out file, with its prompt."""

    path: str
    line: str
    before: str
    rest: str
    example: examples.Example
    typed: list[int]
    unseen: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote for a hole, up to the end of the line."""

    hole: TestHole
    text: str


@dataclass(frozen=True, slots=True)
class Speed:
    """Milliseconds to read a prompt of ``prompt_tokens`` and to write each token after it."""

    prompt_tokens: int
    prefill: float
    decode: float
    threads: int


@dataclass(frozen=True, slots=True)
class Quality:
    """Shares in percent, losses in nats a token of the rest of the line.

    ``loss_wrong`` has the whole prompt taken from another hole, ``loss_wrong_context`` only
    prefix and suffix.
    """

    holes: int
    exact: float
    exact_unseen: float
    unseen: int
    similarity: float
    similarity_unseen: float
    loss: float
    loss_wrong: float
    loss_wrong_context: float
    bits_per_byte: float


def make_holes(
    texts: Sequence[examples.SourceText],
    seen_lines: frozenset[str],
    encoder: Encoder,
    *,
    count: int,
    prompt_tokens: int,
    seed: int,
) -> list[TestHole]:
    """Choose cursors inside lines of held-out files, at most one in ten lines of a file."""
    random = examples.seeded(seed)
    places = [(text, line) for text in texts for line in range(5, len(text.lines), 10)]
    random.shuffle(places)
    holes: list[TestHole] = []
    for text, line in places:
        if len(holes) == count:
            break
        content = text.lines[line].rstrip("\n")
        cursor = _cursor(content, random)
        if cursor is None:
            continue
        place = examples.rest_of_line_hole(text, line, cursor)
        rest_tokens = len(encoder.encode_rest(content[cursor:])) + 1
        example = examples.fill_in_the_middle(
            text,
            place,
            encoder,
            prompt_tokens + rest_tokens,
            suffix_tokens=models.STARTER.suffix_tokens,
        )
        if example:
            typed = encoder.encode(examples.typed_text(text, place))
            before, rest = content[:cursor], content[cursor:]
            unseen = content.strip() not in seen_lines
            holes.append(TestHole(text.path, content, before, rest, example, typed, unseen))
    return holes


def measure(
    model: Any,
    encoder: Encoder,
    holes: Sequence[TestHole],
    texts: Sequence[examples.SourceText],
    *,
    windows: int,
    row_tokens: int,
    report: Report,
) -> tuple[Quality, list[Answer]]:
    """Complete every hole; ``windows`` windows of the texts give the bits a byte."""
    answers = [
        Answer(hole, complete(model, encoder, hole.example.prompt))
        for hole in watched(holes, len(holes), "completing holes", report)
    ]
    exact = [answer.text.rstrip() == answer.hole.rest.rstrip() for answer in answers]
    similar = [similarity(answer.text, answer.hole.rest) for answer in answers]
    unseen = [hole.unseen for hole in holes]
    losses, wrong, wrong_context = _losses(model, holes, report)
    quality = Quality(
        holes=len(holes),
        exact=100 * _mean(exact),
        exact_unseen=100 * _mean(_where(exact, unseen)),
        unseen=sum(unseen),
        similarity=100 * _mean(similar),
        similarity_unseen=100 * _mean(_where(similar, unseen)),
        loss=losses,
        loss_wrong=wrong,
        loss_wrong_context=wrong_context,
        bits_per_byte=bits_per_byte(
            model, encoder, texts, windows=windows, row_tokens=row_tokens, report=report
        ),
    )
    return quality, answers


def describe(quality: Quality) -> str:
    """Return one line of figures."""
    return (
        f"{quality.bits_per_byte:.3f} bits/byte, exact {quality.exact:.1f} % "
        f"(unseen {quality.exact_unseen:.1f} %), similarity {quality.similarity:.1f} %, "
        f"loss {quality.loss:.3f} (wrong prompt {quality.loss_wrong:.3f}, "
        f"wrong context {quality.loss_wrong_context:.3f})"
    )


def summary(answer: Answer) -> dict[str, str]:
    """Return what the model card shows of an answer."""
    hole = answer.hole
    return {"path": hole.path, "before": hole.before, "gold": hole.rest, "model": answer.text}


@torch.inference_mode()
def complete(model: Any, encoder: Encoder, prompt: Sequence[int]) -> str:
    """Return the greedy continuation of a prompt up to the end of the line."""
    newline = encoder.encode("\n")[0]
    stops = {newline, *encoder.control_ids}
    written: list[int] = []
    output = model(input_ids=_tensor(model, [list(prompt)]), use_cache=True, logits_to_keep=1)
    while len(written) < LONGEST_REST:
        token = int(output.logits[0, -1].argmax())
        if token in stops:
            break
        written.append(token)
        output = model(
            input_ids=_tensor(model, [[token]]),
            past_key_values=output.past_key_values,
            use_cache=True,
        )
    return encoder.decode(written)


@torch.inference_mode()
def speed(model: Any, encoder: Encoder, prompt_tokens: int, repeats: int = 5) -> Speed:
    """Return the best times of a plain loop; the model is in float32 on the CPU."""
    prompt = torch.full((1, prompt_tokens), encoder.encode("x")[0])
    prompt[0, ::7] = encoder.encode("\n")[0]
    prefill = decode = math.inf
    written = 20
    for _ in range(repeats):
        started = time.perf_counter()
        output = model(input_ids=prompt, use_cache=True, logits_to_keep=1)
        prefilled = time.perf_counter()
        for _ in range(written):
            token = output.logits[:, -1:].argmax(-1)
            cache = output.past_key_values
            output = model(input_ids=token, past_key_values=cache, use_cache=True)
        done = time.perf_counter()
        prefill = min(prefill, 1000 * (prefilled - started))
        decode = min(decode, 1000 * (done - prefilled) / written)
    return Speed(prompt_tokens, prefill, decode, torch.get_num_threads())


def similarity(first: str, second: str) -> float:
    """Return how alike two texts are, 0 to 1."""
    return SequenceMatcher(None, first.strip(), second.strip(), autojunk=False).ratio()


@torch.inference_mode()
def bits_per_byte(
    model: Any,
    encoder: Encoder,
    texts: Sequence[examples.SourceText],
    *,
    windows: int,
    row_tokens: int,
    report: Report,
) -> float:
    """Return the bits that a byte of held-out text costs, read left to right in windows.

    Windows begin at the start of a line and are ``row_tokens`` long; the first half of each
    is context only.
    """
    random = examples.seeded(1)
    long_enough = [text for text in texts if len(text.tokens) > row_tokens]
    bits, size = 0.0, 0
    count = windows if long_enough else 0
    for _ in watched(range(count), count, "reading windows", report):
        text = random.choice(long_enough)
        last = max(
            i for i, start in enumerate(text.starts) if start <= text.starts[-1] - row_tokens
        )
        start = text.starts[random.randint(0, last)]
        window = text.tokens[start : start + row_tokens].tolist()
        tokens = _tensor(model, [encoder.begin_of_text, *window])
        losses = _token_losses(model, tokens)[row_tokens // 2 :]
        bits += float(losses.sum()) / math.log(2)
        size += len(encoder.decode(window[row_tokens // 2 :]).encode())
    return bits / size if size else math.nan


def _losses(model: Any, holes: Sequence[TestHole], report: Report) -> tuple[float, float, float]:
    """Return the mean losses with the right prompt, another one, and another context."""
    totals = [0.0, 0.0, 0.0]
    count = 0
    for index, hole in enumerate(watched(holes, len(holes), "reading holes", report)):
        other = holes[(index + 1) % len(holes)]
        right, wrong, rest = hole.example.prompt, other.example.prompt, hole.example.rest
        context = wrong[: len(wrong) - len(other.typed)]
        for kind, prompt in enumerate((right, wrong, context + hole.typed)):
            tokens = _tensor(model, [*prompt, *rest])
            totals[kind] += float(_token_losses(model, tokens)[-len(rest) :].sum())
        count += len(hole.example.rest)
    return totals[0] / count, totals[1] / count, totals[2] / count


@torch.inference_mode()
def _token_losses(model: Any, tokens: Tensor) -> Tensor:
    """Return the loss of each token but the first, in nats; ``tokens`` has one axis."""
    logits = model(input_ids=tokens[None, :-1], use_cache=False).logits[0]
    return torch.nn.functional.cross_entropy(logits.float(), tokens[1:], reduction="none")


def _tensor(model: Any, tokens: Sequence[Any]) -> Tensor:
    return torch.tensor(tokens, device=model.device)


def _cursor(content: str, random: Random) -> int | None:
    """Choose a column inside a line of code, 70 % at a word's edge; ``None`` to skip the line."""
    indentation = len(content) - len(content.lstrip())
    inside = range(indentation + 1, len(content.rstrip()))
    if not inside or content.lstrip().startswith("#"):
        return None
    edges = [
        column
        for column in inside
        if content[column - 1].isalnum() != content[column].isalnum() or content[column - 1] == " "
    ]
    return random.choice(edges) if edges and random.random() < 0.7 else random.choice(inside)


def _where(values: Sequence[float], chosen: Sequence[bool]) -> list[float]:
    return [value for value, is_chosen in zip(values, chosen, strict=True) if is_chosen]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
