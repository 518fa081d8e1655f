"""The beginning and the end of a session, and what the user is told in between."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
from lsprotocol import types

from tests.e2e.sessions import SERVER, session

URI = "file:///project/a.py"


async def test_shutdown_and_exit_end_the_server_with_code_0():
    async with session(options={"model": "lookup"}) as editor:
        process = editor.client._server
    assert process is not None
    assert process.returncode == 0


async def test_unknown_settings_are_told_once_and_change_nothing():
    options = {"nonsense": 1, "maxLines": "many", "maxNewTokens": 8, "model": "lookup"}
    async with session(options={"dsc": options}) as editor:
        assert await editor.loaded() == "lookup"
        editor.client.workspace_did_change_configuration(
            types.DidChangeConfigurationParams({"dsc": {"nonsense": 1}})
        )
        editor.open(URI, "import os\n\nimport ")
        await editor.ghost_text(URI, 2, 7)
        told = [message.message for message in editor.client.messages]
    assert len(told) == 1
    assert "Unknown setting `dsc.nonsense`" in told[0]
    assert "`dsc.maxLines` must be a whole number from 1 to 100" in told[0]


async def test_a_workspace_cannot_choose_the_model():
    configuration = {"model": "/evil/model", "maxLines": 3}
    async with session(options={"model": "lookup"}, configuration=configuration) as editor:
        assert await editor.loaded() == "lookup"
        told = [message.message for message in editor.client.messages]
    assert len(told) == 1
    assert "`dsc.model` cannot be set by a workspace" in told[0]


async def test_disabled_means_no_suggestions_until_enabled_again():
    # However unsure: what is asked is whether there is anything.
    options, configuration = {"model": "lookup"}, {"enabled": False, "minConfidence": 0}
    async with session(options=options, configuration=configuration) as editor:
        await editor.loaded()
        editor.open(URI, "for name in names:\n    print(name)\nfor name in ")
        assert await editor.ghost_text(URI, 2, 12) == []
        editor.client.set_configuration({"enabled": True, "minConfidence": 0}, section="dsc")
        editor.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(None))
        items = []
        for _ in range(50):
            items = await editor.ghost_text(URI, 2, 12)
            if items:
                break
            await asyncio.sleep(0.1)
        assert items


def test_the_server_is_gone_within_5_seconds_after_its_client_is_killed():
    client = textwrap.dedent(
        """
        import json, subprocess, sys, time
        server = subprocess.Popen(json.loads(sys.argv[1]), stdin=subprocess.PIPE)
        print(server.pid, flush=True)
        time.sleep(60)
        """
    )
    command = [sys.executable, "-c", client, json.dumps(list(SERVER))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    server = psutil.Process(int(process.stdout.readline()))
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert _gone(server, seconds=5)


async def test_the_server_is_gone_when_the_process_of_initialize_is_gone_though_stdin_is_open():
    stand_in = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    read_end, write_end = os.pipe()
    server = subprocess.Popen(list(SERVER), stdin=read_end, stdout=subprocess.PIPE)
    assert server.stdout is not None
    params = {"processId": stand_in.pid, "rootUri": None, "capabilities": {}}
    body = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    ).encode()
    os.write(write_end, b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    assert await asyncio.to_thread(server.stdout.readline)
    assert server.poll() is None
    stand_in.kill()
    stand_in.communicate()
    assert await asyncio.to_thread(_gone, psutil.Process(server.pid), seconds=5)
    server.communicate()
    os.close(read_end)
    os.close(write_end)


def _gone(process: psutil.Process, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False
