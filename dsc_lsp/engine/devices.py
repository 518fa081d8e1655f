"""Which device the model runs on, how much memory it has, and in what it computes."""

import os
import platform

import torch

from dsc_lsp.engine.base import EngineError

_SMALL_MODEL_BYTES = 64 * 2**20


def choose_device(wanted: str) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``xpu`` or ``mps``.

    Raises:
        EngineError: it is not a device, or not there; the message names the remedy.
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
            f"The device {wanted} is not there (torch {torch.__version__} sees"
            f" {accelerator or 'no accelerator'}). Set `dsc.device` to auto or cpu."
        )
    return device


def free_bytes(device: torch.device) -> int | None:
    """Return the accelerator's free memory in bytes, ``None`` for a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "xpu":
        return int(torch.xpu.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return None


def fastest_dtype(device: torch.device) -> torch.dtype:
    """Return what the device computes fastest without losing quality."""
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


def describe(device: torch.device) -> str:
    """Return what a person calls the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return f"CPU ({platform.machine()}, {os.cpu_count()} cores)"
    return str(device)
