"""pygls's protocol with what it gets wrong put right, so that every request is answered once.

pygls gives the types, the capabilities, the registry of handlers and the requests to the client;
how messages of the client are taken and answered is decided here. What plain pygls 2.1.1 does
instead is said where it matters and reproduced in tests/protocol/test_upstream.py.

Upstream: openlawlibrary/pygls#126 (errors), #517 (cancels in a queue); requests with invalid
parameters, batches and requests outside the session are reported nowhere that we know of.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Generator
from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple, TypeGuard

from lsprotocol import types
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcMethodNotFound,
    JsonRpcParseError,
    JsonRpcRequestCancelled,
    JsonRpcServerNotInitialized,
)
from pygls.protocol import LanguageServerProtocol, lsp_method

from dsc_lsp.server import status
from dsc_lsp.server.failures import as_answer, place_of

_log = logging.getLogger(__name__)

MOST_REQUESTS = 256
"""How many requests may wait for their answer, unless the settings say otherwise."""

_PYGLS_HANDLES = {
    types.INITIALIZE,
    types.INITIALIZED,
    types.SET_TRACE,
    types.WINDOW_WORK_DONE_PROGRESS_CANCEL,
    types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS,
    types.WORKSPACE_EXECUTE_COMMAND,
}
_METHOD_CHARACTERS = 100


class _Incoming(NamedTuple):
    """The id of a request of the client, which may equal one of ours."""

    id: int | str


class Protocol(LanguageServerProtocol):
    """The protocol of the language server; event loop only."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # pygls keeps documents of its own, which drift at rare line breaks and cost 3 ms a key,
        # and its shutdown cancels itself where requests are kept as they are here.
        for method in set(self.fm.builtin_features) - _PYGLS_HANDLES:
            del self.fm.builtin_features[method]
        self.most_requests = MOST_REQUESTS
        self._initialized = False

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(
        self, params: types.InitializeParams
    ) -> Generator[Any, Any, types.InitializeResult]:
        """Add what we offer beyond the protocol to the capabilities that pygls computes."""
        result = yield from super().lsp_initialize(params)
        result.capabilities.experimental = {status.CAPABILITY: True}
        return result

    @property
    def is_shut_down(self) -> bool:
        """Whether the client has asked for ``shutdown``."""
        return self._shutdown

    @property
    def waiting(self) -> int:
        """How many requests of the client are not answered yet."""
        return sum(isinstance(key, _Incoming) for key in self._request_futures)

    def shut_down(self) -> None:
        """Refuse requests from now on, and answer those that wait as cancelled."""
        self._shutdown = True
        for key, future in list(self._request_futures.items()):
            if isinstance(key, _Incoming):
                future.cancel()

    def parse(self, body: bytes) -> list[Any]:
        """Return the messages in a body: one, several of a batch, or none if it is broken.

        pygls answers neither batches nor broken bodies.
        """
        try:
            data = json.loads(body.decode())
        except (ValueError, RecursionError):
            self._refuse(None, JsonRpcParseError("The message is not JSON in UTF-8."))
            return []
        if not isinstance(data, list):
            return [data]
        if not data:
            self._refuse(None, JsonRpcInvalidRequest("The batch is empty."))
        return data

    def refuse_too_long(self) -> None:
        """Answer a message that was too long to be read."""
        self._refuse(None, JsonRpcInvalidRequest("The message is too long."))

    def receive(self, data: Any) -> bool:
        """Handle one message of the client; true if a handler will go on with it.

        Never raises. pygls takes any object that has a member ``jsonrpc`` for a message, and
        leaves requests unanswered that have invalid parameters or come outside the session.
        """
        try:
            return self._receive(data)
        except Exception as error:  # noqa: BLE001 - the shell: the session must go on
            _log.error("a message was not handled: %s", place_of(error))
            if isinstance(data, dict) and _is_id(data.get("id")):
                self._refuse(data["id"], as_answer(error))
            return False

    def _receive(self, data: Any) -> bool:
        if not isinstance(data, dict):
            self._refuse(None, JsonRpcInvalidRequest("A message must be an object."))
        elif "method" not in data and ("result" in data or "error" in data):
            self._take_response(data)
        elif "id" not in data and isinstance(data.get("method"), str):
            self._take_notification(data["method"], data)
        else:
            return self._take_request(data)
        return False

    def _take_request(self, data: dict[str, Any]) -> bool:
        request_id, method = data.get("id"), data.get("method")
        if not _is_id(request_id):
            self._refuse(None, JsonRpcInvalidRequest("The id must be an integer or a string."))
            return False
        if not isinstance(method, str):
            self._refuse(request_id, JsonRpcInvalidRequest("The method must be a string."))
            return False
        key: Any = _Incoming(request_id)
        try:
            params = self._params_of_request(key, method, data)
        except JsonRpcException as refusal:
            self._refuse(request_id, refusal)
            return False
        answer = partial(self._send_handler_result, msg_id=key)
        self._execute_handler(key, self._get_handler(method), answer, args=(params,))
        return key in self._request_futures

    def _params_of_request(self, key: _Incoming, method: str, data: dict[str, Any]) -> Any:
        """Return the typed parameters of a request that can be handled now.

        Raises:
            JsonRpcException: why it cannot.
        """
        if data.get("jsonrpc", self.VERSION) != self.VERSION:
            raise JsonRpcInvalidRequest("This server speaks JSON-RPC 2.0.")
        if key in self._request_futures:
            raise JsonRpcInvalidRequest("The id belongs to a request that is not answered yet.")
        self._check_state(method)
        if not self._is_known(method):
            raise JsonRpcMethodNotFound(f"Method not found: {method[:_METHOD_CHARACTERS]}")
        message_type = self.get_message_type(method)
        if message_type is not None and not hasattr(message_type, "id"):
            raise JsonRpcInvalidRequest("The method is a notification and takes no id.")
        if self.waiting >= self.most_requests:
            raise JsonRpcException("Too many requests wait.", types.LSPErrorCodes.ServerCancelled)
        message = self._structured(data)
        if method == types.INITIALIZE:
            self._initialized = True
        return message.params

    def _check_state(self, method: str) -> None:
        if method == types.INITIALIZE and self._initialized:
            raise JsonRpcInvalidRequest("The server is initialized already.")
        if method != types.INITIALIZE and not self._initialized:
            raise JsonRpcServerNotInitialized("The server is not initialized.")
        if self._shutdown:
            raise JsonRpcInvalidRequest("The server is shut down.")

    def _take_notification(self, method: str, data: dict[str, Any]) -> None:
        """Handle a notification; one that cannot be handled has nobody who could be told."""
        in_session = self._initialized and not self._shutdown
        if not (in_session or method == types.EXIT) or not (
            self._is_known(method) or method == types.CANCEL_REQUEST
        ):
            return
        try:
            message = self._structured(data)
        except JsonRpcException:
            _log.warning("%s had invalid parameters", method[:_METHOD_CHARACTERS])
            return
        if method == types.CANCEL_REQUEST:
            self._cancel(message.params.id)
            return
        # pygls would log the parameters of a notification that fails.
        answer = partial(self._check_notification, method)
        key: Any = object()
        self._execute_handler(key, self._get_handler(method), answer, args=(message.params,))

    def _take_response(self, data: dict[str, Any]) -> None:
        """Give the client's answer to whoever asked; pygls forgets them if it is not as typed."""
        request_id = data.get("id")
        future = self._request_futures.get(request_id) if isinstance(request_id, str) else None
        if future is None or not isinstance(request_id, str):
            return
        del self._request_futures[request_id]
        try:
            message: Any = self._structured(data)
            error = getattr(message, "error", None)
        except JsonRpcException as invalid:
            message, error = None, invalid.to_response_error()
        if not future.set_running_or_notify_cancel():
            return
        if error is not None:
            future.set_exception(JsonRpcException.from_error(error))
        else:
            future.set_result(message.result)

    def _structured(self, data: dict[str, Any]) -> Any:
        """Return a message with typed parameters.

        Raises:
            JsonRpcInvalidParams: they are not as the protocol says.
        """
        try:
            return self.structure_message({**data, "jsonrpc": self.VERSION})
        except JsonRpcException:
            raise JsonRpcInvalidParams from None

    async def rehearse(self) -> None:
        """Try a key's messages: what the converter writes for each type takes 10 ms, once."""
        place = {"textDocument": {"uri": ""}, "position": {"line": 0, "character": 0}}
        span = {"start": place["position"], "end": place["position"]}
        change = {
            "textDocument": {"uri": "", "version": 1},
            "contentChanges": [{"range": span, "text": ""}],
        }
        for method, params, identity in (
            (types.TEXT_DOCUMENT_DID_CHANGE, change, {}),
            (
                types.TEXT_DOCUMENT_INLINE_COMPLETION,
                {**place, "context": {"triggerKind": 2}},
                {"id": 0},
            ),
            (types.TEXT_DOCUMENT_COMPLETION, place, {"id": 0}),
        ):
            self._structured({"method": method, "params": params, **identity})
            await asyncio.sleep(0)
        at = types.Position(0, 0)
        item = types.InlineCompletionItem(
            "", "", types.Range(at, at), types.Command("", "", arguments=[0])
        )
        edit = types.TextEdit(types.Range(at, at), "")
        popup = types.CompletionList(False, [types.CompletionItem("", text_edit=edit)])
        for answer in (
            types.InlineCompletionResponse(0, types.InlineCompletionList([item])),
            types.CompletionResponse(0, popup),
        ):
            self._converter.unstructure(answer)
            await asyncio.sleep(0)

    def _is_known(self, method: str) -> bool:
        return method in self.fm.features or method in self.fm.builtin_features

    def _cancel(self, request_id: int | str) -> None:
        # The request is forgotten when it is answered and not before, as pygls does: until then
        # its id is in use.
        key: Any = _Incoming(request_id)
        future = self._request_futures.get(key)
        if future is not None:
            future.cancel()

    def _send_handler_result(self, future: "Future[Any]", *, msg_id: Any) -> None:
        """Answer a request of the client."""
        self._request_futures.pop(msg_id, None)
        error = _error_of(future)
        if error is None:
            self._send_response(msg_id.id, future.result())
            return
        if not isinstance(error, JsonRpcException):
            _log.error("a request failed: %s", place_of(error))
        self._refuse(msg_id.id, as_answer(error))

    def _check_notification(self, method: str, future: "Future[Any]") -> None:
        error = _error_of(future)
        if error is not None and not isinstance(error, JsonRpcRequestCancelled):
            _log.error("%s failed: %s", method[:_METHOD_CHARACTERS], place_of(error))

    def _refuse(self, request_id: int | str | None, error: JsonRpcException) -> None:
        # Not as a typed message: lsprotocol's converter leaves an id of null out, which JSON-RPC
        # wants, and pygls puts tracebacks into ``data``.
        told = {"code": error.code, "message": error.message}
        self._send_data({"jsonrpc": self.VERSION, "id": request_id, "error": told})

    def _execute_handler(
        self,
        msg_id: Any,
        handler: Callable[..., Any],
        callback: Callable[..., None],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        """Run a handler; pygls keeps what belongs to notifications for good."""
        super()._execute_handler(msg_id, handler, callback, args, kwargs)
        future = self._request_futures.get(msg_id)
        if future is not None and not isinstance(msg_id, _Incoming):
            future.add_done_callback(lambda _done: self._request_futures.pop(msg_id, None))


def _is_id(request_id: object) -> TypeGuard[int | str]:
    return type(request_id) in {int, str}


def _error_of(future: "Future[Any] | asyncio.Future[Any]") -> BaseException | None:
    return JsonRpcRequestCancelled() if future.cancelled() else future.exception()
