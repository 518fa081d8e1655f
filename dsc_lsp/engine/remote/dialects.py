"""How the same question is put to different servers, and what their answers mean.

A reader takes one object of a streamed answer. What a server does not tell is ``None``. An object
of another shape than the dialect's raises one of ``MALFORMED``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dsc_lsp.engine.remote.connection import Json

_ID = "token_id:"
MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Ask:
    """One greedy generation; ``prompt`` is token ids where the server takes them, else text.

    ``others`` is how many of the likeliest tokens are to be told at each place.
    """

    model: str
    prompt: tuple[int, ...] | str
    max_tokens: int
    stop_ids: tuple[int, ...] = ()
    others: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of the answer: one token if ``id`` is told, else the text of one or several.

    ``others`` are the tokens that were likeliest in its place, where they were asked for.
    """

    text: str
    id: int | None = None
    data: bytes | None = None
    logprob: float | None = None
    others: "tuple[Piece, ...]" = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one object says.

    ``is_cut`` says that the answer ended because it was long enough. ``prompt_tokens`` counts the
    prompt as the server saw it.
    """

    pieces: tuple[Piece, ...] = ()
    is_cut: bool = False
    has_failed: bool = False
    prompt_tokens: int | None = None


def openai_body(ask: Ask) -> dict[str, Any]:
    """Return a request of OpenAI's legacy completions, standard fields only."""
    body = {
        "model": ask.model,
        "prompt": ask.prompt,
        "max_tokens": ask.max_tokens,
        "temperature": 0,
        "stream": True,
    }
    return body | {"logprobs": ask.others} if ask.others else body


def openai_read(event: Json) -> Chunk:
    """Read a completion chunk, with what vLLM and llama-server add to it."""
    if "error" in event:
        return Chunk(has_failed=True)
    pieces, is_cut = list[Piece](), False
    for choice in event["choices"]:
        pieces += _openai_pieces(choice)
        is_cut = is_cut or choice.get("finish_reason") == "length"
    usage = event.get("usage") or {}
    timings = event.get("timings") or {}
    prompt_tokens = usage.get("prompt_tokens")
    if prompt_tokens is None and timings:
        prompt_tokens = timings["prompt_n"] + timings.get("cache_n", 0)
    return Chunk(tuple(pieces), is_cut, prompt_tokens=prompt_tokens)


def _openai_pieces(choice: Json) -> Iterator[Piece]:
    text: str = choice.get("text") or ""
    told = choice.get("logprobs") or {}
    if told.get("content"):  # llama-server
        yield from map(_entry, told["content"])
        return
    ids = choice.get("token_ids") or ()  # vLLM
    logprobs = told.get("token_logprobs") or ()
    others = [_by_name(names) for names in told.get("top_logprobs") or ()]
    if len(ids) == 1 or (text and len(logprobs) == 1):
        first = next(iter(others), ())
        yield Piece(text, next(iter(ids), None), None, next(iter(logprobs), None), first)
    elif ids:
        # Several tokens at once; the text is for those who cannot read ids.
        for index, token in enumerate(ids):
            logprob = logprobs[index] if index < len(logprobs) else None
            here = others[index] if index < len(others) else ()
            yield Piece(text if index == 0 else "", token, None, logprob, here)
    elif text:
        yield Piece(text, logprob=sum(logprobs) if logprobs else None)


def _entry(told: Json) -> Piece:
    """Read what llama-server and Ollama tell of a token."""
    data = told.get("bytes")
    return Piece(
        told["token"],
        told.get("id"),
        None if data is None else bytes(data),
        float(told["logprob"]),
        tuple(map(_entry, told.get("top_logprobs") or ())),
    )


def _by_name(names: Json | None) -> tuple[Piece, ...]:
    """Read likelihoods by token; vLLM writes an id as ``token_id:5`` if asked to."""
    return tuple(
        Piece("", int(name.removeprefix(_ID)), None, float(logprob))
        if name.startswith(_ID)
        else Piece(name, logprob=float(logprob))
        for name, logprob in (names or {}).items()
    )


def ollama_body(ask: Ask) -> dict[str, Any]:
    """Return a request of Ollama's own API: the OpenAI one would put a template around it."""
    body = {
        "model": ask.model,
        "prompt": ask.prompt,
        "raw": True,
        "stream": True,
        "options": {"num_predict": ask.max_tokens, "temperature": 0},
    }
    return body | {"top_logprobs": ask.others} if ask.others else body


def ollama_read(event: Json) -> Chunk:
    """Read a line of Ollama's answer."""
    if "error" in event:
        return Chunk(has_failed=True)
    told = event.get("logprobs") or ()
    text: str = event.get("response") or ""
    whole = (Piece(text),) if text else ()
    return Chunk(
        pieces=tuple(map(_entry, told)) or whole,
        is_cut=event.get("done_reason") == "length",
        prompt_tokens=event.get("prompt_eval_count"),
    )


def tgi_body(ask: Ask) -> dict[str, Any]:
    """Return a request of Text Generation Inference's own API, which tells ids and logprobs."""
    parameters = {
        "max_new_tokens": ask.max_tokens,
        "do_sample": False,
        "return_full_text": False,
        "details": True,
    }
    if ask.others:
        parameters["top_n_tokens"] = ask.others
    return {"inputs": ask.prompt, "parameters": parameters}


def tgi_read(event: Json) -> Chunk:
    """Read an event of Text Generation Inference: one token each."""
    if "error" in event:
        return Chunk(has_failed=True)
    token = event["token"]
    details = event.get("details") or {}
    others = tuple(
        Piece(other["text"], other["id"], None, float(other["logprob"]))
        for other in event.get("top_tokens") or ()
    )
    return Chunk(
        pieces=(Piece(token["text"], token["id"], None, float(token["logprob"]), others),),
        is_cut=details.get("finish_reason") == "length",
        prompt_tokens=details.get("input_length"),
    )
