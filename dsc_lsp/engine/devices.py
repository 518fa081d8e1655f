"""Which device the model runs on, how much memory it has, and in what it computes."""

import os
import platform

import psutil
import torch
from threadpoolctl import threadpool_limits

from dsc_lsp.engine.base import EngineError

_WITH_PEAK = ("cuda", "xpu")
_SMALL_MODEL_BYTES = 64 * 2**20
_OUT_OF_MEMORY = (
    "DefaultCPUAllocator",  # c10/core/impl/alloc_cpu.cpp
    "MPS backend out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def choose_device(wanted: str) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``xpu`` or ``mps``.

    Raises:
        EngineError: it is not a device, or not there; the message names what is there.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if wanted == "auto":
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise EngineError(
            f"{wanted!r} is not a device. Set `dsc.device` to auto, cpu, cuda, xpu or mps."
        ) from None
    there = device.type == "cpu" or (
        accelerator is not None
        and device.type == accelerator.type
        and (device.index or 0) < torch.accelerator.device_count()
    )
    if not there:
        raise EngineError(
            f"The device {wanted} is not there: torch {torch.__version__} sees"
            f" {_devices_there(accelerator)}. Set `dsc.device` to one of them, or to auto"
            f"{_other_build(device)}."
        )
    return device


def _devices_there(accelerator: torch.device | None) -> str:
    if accelerator is None:
        return "cpu only"
    count = torch.accelerator.device_count()
    names = [accelerator.type, *(f"{accelerator.type}:{number}" for number in range(1, count))]
    return ", ".join(["cpu", *names])


def _other_build(device: torch.device) -> str:
    """Return the advice for who has the device but a torch that was built without it."""
    built = {"cuda": torch.backends.cuda.is_built(), "mps": torch.backends.mps.is_built()}
    if built.get(device.type, True):
        return ""
    return f"; this torch is built without {device.type}: https://pytorch.org tells how to get one"


def free_bytes(device: torch.device) -> int | None:
    """Return the accelerator's free memory in bytes, ``None`` for a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "xpu":
        return int(torch.xpu.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return None


def available_bytes(device: torch.device) -> int:
    """Return the free memory in bytes that the device computes in: a CPU's is the machine's."""
    free = free_bytes(device)
    return psutil.virtual_memory().available if free is None else free


def choose_dtype(device: torch.device, wanted: str) -> torch.dtype:
    """Return the type for ``bfloat16``, ``float16``, ``float32`` or ``auto``.

    ``auto`` is what the device computes fastest without losing quality.

    Raises:
        EngineError: the device does not compute in it.
    """
    if wanted == "auto":
        return _fastest_dtype(device)
    dtype: torch.dtype = getattr(torch, wanted)
    try:
        ones = torch.ones((8, 8), device=device, dtype=dtype)
        torch.addmm(ones, ones, ones)
    except (RuntimeError, TypeError) as error:
        raise EngineError(
            f"{describe(device)} does not compute in {wanted}. Set `dsc.dtype` to auto."
        ) from error
    return dtype


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: only some devices have a type for it.

    NumPy's is a ``MemoryError``.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return any(words in text for words in _OUT_OF_MEMORY)


def _fastest_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cpu":
        return torch.float32
    if device.type == "mps":
        return torch.float16
    if device.type == "cuda" and torch.cuda.get_device_capability(device)[0] < 8:
        return torch.float16
    return torch.bfloat16


def use_cpu_for(weight_bytes: int) -> None:
    """Choose how many threads compute a model of so many bytes on the CPU.

    A small model gains a tenth from a second thread on an idle machine and loses a factor of 30
    on a busy one, because its threads wait for each other after every small product
    (docs/log.md).
    """
    if weight_bytes < _SMALL_MODEL_BYTES:
        torch.set_num_threads(1)
        threadpool_limits(1, user_api="blas")


def use_cuda(*, with_cudnn: bool = False) -> None:
    """Choose among CUDA's fused attentions those that take keys of any length as they come.

    torch prefers cuDNN's on Hopper and Blackwell, which makes a plan for each new length, and
    each prompt brings one (https://github.com/pytorch/pytorch/pull/155958).
    """
    torch.backends.cuda.enable_cudnn_sdp(with_cudnn)


def describe(device: torch.device) -> str:
    """Return what a person calls the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return f"CPU ({platform.machine()}, {os.cpu_count()} cores)"
    return str(device)


def forget_peak(device: torch.device) -> None:
    """Begin anew to look for the most memory that is occupied."""
    if device.type in _WITH_PEAK:
        torch.accelerator.memory.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int:
    """Return the most memory that tensors occupied; of a CPU what the process occupies now."""
    if device.type in _WITH_PEAK:
        return int(torch.accelerator.memory.max_memory_allocated(device))
    return psutil.Process().memory_info().rss
