"""pygls's protocol with what it gets wrong put right, so that every request is answered once.

Each method says what pygls 2.1 does without it; the reproductions are in docs/decisions.md.
"""

import json
import logging
from typing import Any

from lsprotocol import types
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcMethodNotFound,
    JsonRpcParseError,
    JsonRpcServerNotInitialized,
)
from pygls.protocol import LanguageServerProtocol

_log = logging.getLogger(__name__)

_OURS = (
    types.TEXT_DOCUMENT_DID_OPEN,
    types.TEXT_DOCUMENT_DID_CHANGE,
    types.TEXT_DOCUMENT_DID_CLOSE,
    types.EXIT,
)


class Protocol(LanguageServerProtocol):
    """The protocol of the language server."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # pygls keeps documents of its own, which drift at rare line breaks and cost 3 ms a key.
        for method in _OURS:
            del self.fm.builtin_features[method]
        self._initialized = False

    @property
    def is_shut_down(self) -> bool:
        """Whether the client has asked for ``shutdown``."""
        return self._shutdown

    def receive(self, body: bytes) -> bool:
        """Handle one message of the client; true if it was a request.

        pygls leaves requests with invalid parameters, batches and requests outside the session
        unanswered.
        """
        try:
            data = json.loads(body)
        except ValueError:
            self._refuse(None, JsonRpcParseError())
            return False
        parts: list[Any] = data if isinstance(data, list) else [data]
        were_requests = [self._receive_one(part) for part in parts]
        return any(were_requests)

    def refuse_too_long(self) -> None:
        """Answer a message that was too long to be read."""
        self._refuse(None, JsonRpcInvalidRequest("The message is too long."))

    def _receive_one(self, data: Any) -> bool:
        if not isinstance(data, dict):
            self._refuse(None, JsonRpcInvalidRequest())
            return False
        method, request_id = data.get("method"), data.get("id")
        is_request = isinstance(method, str) and isinstance(request_id, int | str)
        refusal = self._refusal(method) if isinstance(method, str) else None
        if refusal is not None:
            if is_request:
                self._refuse(request_id, refusal)
            return is_request
        try:
            message: Any = self.structure_message({"jsonrpc": "2.0", **data})
        except JsonRpcException:
            if is_request:
                self._refuse(request_id, JsonRpcInvalidParams())
            return is_request
        self.handle_message(message)
        self._initialized = self._initialized or method == types.INITIALIZE
        return is_request

    def _refusal(self, method: str) -> JsonRpcException | None:
        """Return why a method cannot be handled now."""
        if not self._initialized and method not in {types.INITIALIZE, types.EXIT}:
            return JsonRpcServerNotInitialized("The server is not initialized.")
        if self._initialized and method == types.INITIALIZE:
            return JsonRpcInvalidRequest("The server is initialized already.")
        if self._shutdown and method != types.EXIT:
            return JsonRpcInvalidRequest("The server is shut down.")
        known = method in self.fm.features or method in self.fm.builtin_features
        if not known and method != types.CANCEL_REQUEST:
            return JsonRpcMethodNotFound(f"Method not found: {method[:100]}")
        return None

    def _refuse(self, request_id: int | str | None, error: JsonRpcException) -> None:
        self._send_data(
            types.ResponseErrorMessage(
                id=request_id, error=error.to_response_error(), jsonrpc="2.0"
            )
        )

    def _send_response(
        self, msg_id: Any, result: Any | None = None, error: types.ResponseError | None = None
    ) -> None:
        """Send a response; pygls puts tracebacks, with code in them, into ``error.data``."""
        if error is not None:
            error = types.ResponseError(error.code, error.message)
        super()._send_response(msg_id, result, error)
