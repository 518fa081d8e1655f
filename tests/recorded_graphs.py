"""Graphs without a GPU, as strict as CUDA's: fixed operations between fixed addresses."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

WAITS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
"""What an operation is marked with whose result, or its shape, the host must wait for."""


class RecordedGraphs:
    """Records the operations of some work with their tensors, and runs exactly these again.

    Like a CUDA graph it does not see the Python that led to them: a number that has changed
    since, or a tensor that stands elsewhere, goes unnoticed, and looking at a value is refused.
    What was made within the work is spoilt after each run, because other graphs of one pool of
    memory write there.
    """

    def __init__(self) -> None:
        self.captures = 0

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        self.captures += 1
        recorder = _Recorder()
        with recorder:
            work()
        return recorder.replay

    def wait(self) -> None:
        """Have nothing to wait for."""


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self._operations: list[tuple[Any, Any, Any, list[torch.Tensor]]] = []
        self._made: list[torch.Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if WAITS & set(func.tags):
            raise RuntimeError(f"operation not permitted when stream is capturing: {func}")
        result = func(*args, **(kwargs or {}))
        given = {_storage(tensor) for tensor in _tensors((args, kwargs))}
        results = _tensors(result)
        self._made += [tensor for tensor in results if _storage(tensor) not in given]
        self._operations.append((func, args, kwargs or {}, results))
        return result

    @torch.inference_mode()
    def replay(self) -> None:
        for func, args, kwargs, before in self._operations:
            now = _tensors(func(*args, **kwargs))
            for old, new in zip(before, now, strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)
        for tensor in self._made:
            tensor.fill_(torch.nan if tensor.is_floating_point() else 0)


def _tensors(tree: Any) -> list[torch.Tensor]:
    if isinstance(tree, torch.Tensor):
        return [tree]
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
