/** Which server runs, and what is said when it cannot. */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";

import { inWindow } from "./bench";
import type { SharedWindow } from "./sharedWindow";
import { eventually, program, ROOT, serverPids, serverScript } from "./window";

export function server({ scenario, completes, bin }: SharedWindow): void {
  scenario("a server that is killed is started again", async (window) => {
    await window.status(/^scripted/);
    const before = serverPids(window);
    process.kill(before.at(-1) ?? 0, "SIGKILL");
    await eventually("another is started", () => assert.equal(serverPids(window).length, before.length + 1));
    await completes("after_the_crash");
  });

  scenario("a wrong path is told with the setting to correct, and works once it is", async (window) => {
    await window.set({ "dsc.server.path": "/nowhere/dsc-lsp" });
    await window.says("error", /names \/nowhere\/dsc-lsp, but it does not exist\. Correct it/);
    await (await window.menu()).filter({ hasText: "Open Setting" }).filter({ hasText: "does not exist" }).waitFor();
    await window.press("Escape");
    const message = await window.message("names /nowhere/dsc-lsp, but it does not exist");
    await message.getByText("Open Setting").waitFor();
    await window.set({ "dsc.server.path": bin("dsc-lsp") });
    await completes("corrected");
  });

  scenario("a Python without dsc-lsp is told", async (window) => {
    await window.set({ "dsc.server.path": bin("python3.11") });
    await window.says("error", /dsc-lsp is not installed there/);
    await window.message("python3.11, but dsc-lsp is not installed there");
    await window.set({ "dsc.server.path": "" });
    await completes("another_python");
  });

  scenario("the selected Python comes before the PATH", async (window) => {
    await window.set({ "dsc.server.path": "", "fixture.python": bin("selected/python") });
    await window.command("dsc-lsp: Restart");
    await eventually("it is started from there", () => assert(fs.existsSync(bin("selected/pids"))));
    await completes("selected");
    const before = serverPids(window).length;
    await window.set({ "fixture.python": "" });
    await eventually("the one on the PATH again", () => assert(serverPids(window).length > before));
    await completes("not_selected");
  });

  scenario("a server that ends at its start is told with its last words", async (window) => {
    await window.set({ "dsc.server.path": bin("crashes-at-once") });
    const message = await window.message("did not start: exit code 3: the shelf is empty");
    await window.says("error", /the shelf is empty/);
    for (const remedy of ["Run Doctor", "Show Log", "Restart"]) await message.getByText(remedy).waitFor();
    assert.equal(await window.page.locator(".notification-toast").count(), 1, "one message, not several");
    await window.set({ "dsc.server.path": "" });
    await completes("alive_again");
  });
}

test("where there is no dsc-lsp it is offered, installed with progress, and works", () =>
  inWindow(
    {
      files: { "main.py": "x = 1\n", ".venv/bin/python": program('echo "No module named dsc_lsp" >&2; exit 1') },
      executables: [".venv/bin/python"],
      // The wheel is the real one; what it needs is taken from the checkout's environment.
      settings: {
        "dsc.install.pipArguments": ["--no-index", "--no-deps", "--force-reinstall"],
        // Whether the installed server suggests is asked, not how sure it is.
        "dsc.minConfidence": 0,
      },
      environment: { PYTHONPATH: sitePackages() },
    },
    async (window) => {
      const message = await window.message("dsc-lsp was not found (the Python of this workspace");
      await message.getByText("Don't Ask Again").waitFor();
      await message.getByText("Install", { exact: true }).click();
      await window.message("Installing dsc-lsp 0.1.0");
      await window.status(/^starter/);
      await window.toEnd();
      await window.type("import ");
      assert.match(await window.ghostText(), /\S/);
    },
  ));

test("in a workspace without trust its Python is not run, and trusting it is offered", () =>
  inWindow(
    {
      files: {
        "main.py": "x = 1\n",
        ".venv/bin/python": serverScript("tests.protocol.scripted_server", true),
        // It may not say which program is run either, trusted or not.
        ".vscode/settings.json": '{ "dsc.server.path": "${workspaceFolder}/.venv/bin/python" }',
      },
      executables: [".venv/bin/python"],
      isUntrusted: true,
    },
    async (window) => {
      const message = await window.message("This workspace is not trusted, so its Python is not run");
      assert(!fs.existsSync(path.join(window.workspace, ".venv/bin/pids")), "it was run");
      await message.getByText("Manage Trust").click();
      await window.page.getByRole("button", { name: "Trust", exact: true }).first().click();
      await window.status(/^scripted/);
    },
  ));

function sitePackages(): string {
  const library = path.join(fs.realpathSync(path.join(ROOT, ".venv")), "lib");
  const [python = ""] = fs.readdirSync(library);
  return path.join(library, python, "site-packages");
}
