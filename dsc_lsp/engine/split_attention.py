"""Attention of few tokens over many keys, in parts that are computed at once.

One sequence gives a device's fused attention one block of work for each head, which leaves most
of a large GPU idle. So the keys are cut into parts, each attended by itself, and the results put
together by the logarithms of their sums of exponentials (Flash-Decoding,
https://pytorch.org/blog/flash-decoding/).
"""

import torch

HIDDEN = -30_000.0
"""Added to the scores of what must not be seen. Finite, because a part may hold nothing else, and
minus infinity would then be divided by zero; and far from the least number of any type, which
overflows within fused kernels (https://github.com/pytorch/pytorch/issues/110213)."""

_LEAST_PART = 128
_ALIGNED = 16
"""Fused attention wants the rows of its masks to begin at multiples of so many numbers."""
_BLOCKS = 256
"""So many blocks of work keep a large GPU busy: twice its multiprocessors."""


def parts_of(length: int, kv_heads: int) -> int:
    """Return in how many equal parts so many keys are best cut; 1 is not at all."""
    return max(
        parts
        for parts in range(1, max(1, min(_BLOCKS // kv_heads, length // _LEAST_PART)) + 1)
        if length % (parts * _ALIGNED) == 0 or parts == 1
    )


def split_attention(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor,
    *,
    scale: float,
    parts: int,
) -> torch.Tensor:
    """Return what queries take from values: shape (1, kv_heads, rows, head_dim).

    Queries have that shape, keys and values (1, kv_heads, length, head_dim), the mask (rows,
    length) with ``HIDDEN`` where nothing must be seen; ``parts`` divides the length.

    Raises:
        NotImplementedError: the device has no attention that tells its sums.
    """
    chunk, heads, rows = keys.shape[2] // parts, keys.shape[1], queries.shape[2]
    bias = mask.unflatten(1, (parts, chunk)).transpose(0, 1).unsqueeze(1)
    attended, sums = _attended(
        queries.expand(parts, -1, -1, -1),
        keys[0].unflatten(1, (parts, chunk)).transpose(0, 1),
        values[0].unflatten(1, (parts, chunk)).transpose(0, 1),
        bias.expand(-1, heads, -1, -1),
        scale,
    )
    shares = torch.softmax(sums[..., :rows], dim=0).unsqueeze(-1)
    return (attended * shares).sum(0, keepdim=True).to(queries.dtype)


def _attended(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    bias: torch.Tensor,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return attention and the logarithms of its sums, (parts, heads, rows or more)."""
    if queries.device.type == "cuda":
        attended, sums, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(
            queries, keys, values, bias, True, scale=scale
        )
        return attended, sums
    if queries.device.type == "cpu":
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            queries, keys, values, attn_mask=bias, scale=scale
        )
    raise NotImplementedError(queries.device.type)
