/** dsc-lsp in a real VS Code: what its users see and do. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Bench, type Window, type WindowOptions, eventually, serverScript } from "./window";

let bench: Bench;

before(async () => {
  bench = await Bench.open();
});
after(async () => {
  await bench.close();
});

async function inWindow(options: WindowOptions, work: (window: Window) => Promise<void>): Promise<void> {
  const window = await bench.window(options);
  try {
    await work(window);
  } catch (error) {
    await window.page.screenshot({ path: "build/failure.png" });
    console.error(window.logs());
    throw error;
  } finally {
    await window.close();
  }
}

test("ghost text stands on the screen, and Tab puts it into the file", () =>
  inWindow(
    {
      files: { "main.py": "x = 1\n" },
      programs: { "dsc-lsp": serverScript("tests.protocol.scripted_server") },
    },
    async (window) => {
      await window.status(/^scripted/);
      await window.toEnd();
      await window.type("y = ");
      assert.equal(await window.ghostText(), "answer");
      await window.page.screenshot({ path: "build/ghost.png" });
      await window.press("Tab");
      await window.hasNoGhostText();
      await window.save();
      await eventually("it is in the file", () => assert.equal(window.read("main.py"), "x = 1\ny = answer"));
    },
  ));
