/** What the user is told, asked or not. */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";

import { inWindow, theBench } from "./bench";
import type { SharedWindow } from "./sharedWindow";
import { eventually, serverPids, serverScript } from "./window";

export function reports({ scenario, completes }: SharedWindow): void {
  scenario("it says why there is no suggestion, and what was shown and accepted", async (window) => {
    await window.command("dsc-lsp: Why No Suggestion Here?");
    await window.message(/suggestion/i);
    await completes("counted");
    const before = serverPids(window).length;
    await window.command("dsc-lsp: Restart");
    await eventually("the server is started anew", () => assert.equal(serverPids(window).length, before + 1));
    await window.status(/^scripted/);
    await window.command("dsc-lsp: Statistics");
    await eventually("the counts", async () => assert.match(await window.text(), /"accepted": [1-9]/));
    await window.press("Control+F4");
  });

  scenario("the doctor's findings are shown", async (window) => {
    await window.command("dsc-lsp: Run Doctor");
    await eventually("findings", async () => assert.match(await window.text(), /ok +dsc-lsp/));
    await window.press("Control+F4");
  });

  scenario("the log is shown", async (window) => {
    await window.command("dsc-lsp: Show Log");
    await window.page.locator(".panel .view-line").filter({ hasText: "The server's log" }).first().waitFor();
    await window.press("Control+J");
    await window.page.locator(".panel .view-line").first().waitFor({ state: "hidden" });
  });

  scenario("a file on another machine is told once, with what to do", async (window) => {
    await window.command("Fixture: Open a File Elsewhere");
    await window.message(/not on the machine where dsc-lsp runs.*remote window/);
    await window.says("circle-slash", /is not on the machine where dsc-lsp runs/);
  });
}

test("the status bar shows how far the model is loaded, and that it thinks", () => {
  const gates = fs.mkdtempSync(path.join(theBench().folder, "gates-"));
  return inWindow(
    {
      files: { "main.py": "x = 1\n" },
      environment: { SCRIPTED_GATES: gates },
      programs: { "dsc-lsp": serverScript("tests.protocol.scripted_server") },
    },
    async (window) => {
      await window.status(/^dsc: loading 40 %$/);
      await window.says("loading", /Reading the script/);
      fs.writeFileSync(path.join(gates, "thinking"), "");
      fs.writeFileSync(path.join(gates, "loaded"), "");
      await window.status(/^scripted$/);
      await window.toEnd();
      await window.type("y = ");
      await window.says("loading", /scripted is thinking/);
      await window.page.screenshot({ path: "build/thinking.png" });
      fs.rmSync(path.join(gates, "thinking"));
      assert.equal(await window.ghostText(), "answer");
      await window.status(/^scripted \d+ ms$/);
    },
  );
});

test("what the settings say wrongly is told", () =>
  inWindow(
    {
      files: { "main.py": "x = 1\n" },
      settings: { "dsc.maxLines": "many", "dsc.model": "/nowhere/model" },
      programs: { "dsc-lsp": serverScript("dsc_lsp") },
    },
    async (window) => {
      await window.message(/dsc\.maxLines/);
      await window.says("error", /\/nowhere\/model/);
      await (await window.menu()).filter({ hasText: "Choose a Model" }).filter({ hasText: "/nowhere/model" }).waitFor();
    },
  ));

test("what other tools say of a file is told where the setting wants it, and again to a new server", () => {
  const told = path.join(fs.mkdtempSync(path.join(theBench().folder, "told-")), "told");
  const fault = 'reported ["main.py", [0, "Shelf is missing"]]';
  const isTold = (pid: number | undefined): boolean =>
    fs.existsSync(told) && fs.readFileSync(told, "utf8").includes(`${pid} ${fault}`);
  return inWindow(
    {
      files: { "main.py": "x = 1\n" },
      settings: { "dsc.diagnosticsContext": true },
      environment: { SCRIPTED_TOLD: told },
      programs: { "dsc-lsp": serverScript("tests.protocol.scripted_server") },
    },
    async (window) => {
      await window.status(/^scripted/);
      await window.command("Fixture: Find a Fault");
      await eventually("the fault is told", () => assert(isTold(serverPids(window)[0])));
      await window.command("dsc-lsp: Restart");
      await eventually("it is told to the new server", () => assert(isTold(serverPids(window)[1])));
      await window.set({ "dsc.diagnosticsContext": false });
      await window.command("dsc-lsp: Restart");
      await eventually("the third server", () => assert.equal(serverPids(window).length, 3));
      await window.status(/^scripted/);
      await window.toEnd();
      await window.type("y = ");
      assert.equal(await window.ghostText(), "answer");
      assert(!isTold(serverPids(window)[2]), "told without the setting");
    },
  );
});
