"""Errors as they may be told: where something went wrong, never what it was about.

The message of an exception may hold code, prompts or paths, and so may a traceback.

Upstream: openlawlibrary/pygls#126 brought answers to failed requests, with message and traceback.
"""

from pygls.exceptions import JsonRpcException, JsonRpcInternalError

_PLACES = 6


def place_of(error: BaseException) -> str:
    """Return the type of an error and the functions and lines through which it came."""
    trace = error.__traceback__
    places: list[str] = []
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__} at {' > '.join(places[-_PLACES:])}"


def as_answer(error: BaseException) -> JsonRpcException:
    """Return what a client is told of an error that a handler raised."""
    if isinstance(error, JsonRpcException):
        return JsonRpcException(type(error).MESSAGE or "Error", error.code)
    return JsonRpcInternalError(f"Internal error ({type(error).__name__}).")
