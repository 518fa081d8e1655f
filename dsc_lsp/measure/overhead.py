"""What the server itself costs at a keystroke: a change and a request, to the answer.

The client here is as thin as can be, so that its own work is not counted.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

URI = "file:///bench/long.py"
_LOOK_SECONDS = 1.0
"""Nobody types sooner into a file that has just been opened."""


async def server_ms(command: Sequence[str], text: str, keys: str) -> list[float]:
    """Type ``keys`` into the middle of ``text``; returns the milliseconds of each answer.

    ``command`` starts a server that speaks on its stdin and stdout.
    """
    times = list[float]()
    async with _server(command) as server:
        item = {"uri": URI, "languageId": "python", "version": 1, "text": text}
        await server.notify("textDocument/didOpen", {"textDocument": item})
        await asyncio.sleep(_LOOK_SECONDS)
        line, column = text.count("\n") // 2, 0
        await server.change(line, column, "\n", 2)
        for version, key in enumerate(keys, 3):
            start = time.perf_counter()
            await server.change(line, column, key, version)
            line, column = (line + 1, 0) if key == "\n" else (line, column + 1)
            answer = await server.ask(
                "textDocument/inlineCompletion",
                {
                    "textDocument": {"uri": URI},
                    "position": {"line": line, "character": column},
                    "context": {"triggerKind": 2},
                },
            )
            times.append((time.perf_counter() - start) * 1000)
            assert "result" in answer, "every request is answered"
    return times


class _Server:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None, "made as a pipe"
        assert process.stdout is not None, "made as a pipe"
        self._input, self._output = process.stdin, process.stdout
        self._id = 0

    async def change(self, line: int, column: int, text: str, version: int) -> None:
        at = {"line": line, "character": column}
        change = {"range": {"start": at, "end": at}, "text": text}
        document = {"uri": URI, "version": version}
        await self.notify(
            "textDocument/didChange", {"textDocument": document, "contentChanges": [change]}
        )

    async def notify(self, method: str, params: object) -> None:
        await self._send({"method": method, "params": params})

    async def ask(self, method: str, params: object) -> dict[str, Any]:
        """Return the answer to a request; requests of the server are answered with null."""
        self._id += 1
        await self._send({"id": self._id, "method": method, "params": params})
        while True:
            message = await self._receive()
            if "method" in message and "id" in message:
                await self._send({"id": message["id"], "result": None})
            elif message.get("id") == self._id:
                return message

    async def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._input.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        await self._input.drain()

    async def _receive(self) -> dict[str, Any]:
        head = await self._output.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return json.loads(await self._output.readexactly(length))


@asynccontextmanager
async def _server(command: Sequence[str]) -> AsyncGenerator[_Server]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=2**26)
    try:
        server = _Server(process)
        await server.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        await server.notify("initialized", {})
        yield server
        await server.ask("shutdown", None)
        await server.notify("exit", None)
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
