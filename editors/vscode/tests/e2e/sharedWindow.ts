/** One window for many cases, with a server that always says `answer`, and a hub of models. */

import assert from "node:assert/strict";
import * as path from "node:path";
import { after, before, test } from "node:test";

import { theBench, watched } from "./bench";
import { Hub, type Window, eventually, program, serverScript } from "./window";

export interface SharedWindow {
  /** A case in it; they run in the order in which they are given. */
  readonly scenario: (name: string, work: (window: Window) => Promise<void>) => void;
  /** Type a line of its own, and see that ghost text comes and goes into the file. */
  readonly completes: (name: string) => Promise<void>;
  /** The path of one of its programs. */
  readonly bin: (name: string) => string;
  readonly closeHub: () => Promise<void>;
}

/** Open it before the cases of a `describe`, and close it behind them. */
export function sharedWindow(): SharedWindow {
  let window: Window;
  let hub: Hub;

  before(async () => {
    hub = await Hub.open();
    window = await theBench().window({
      environment: {
        HF_ENDPOINT: hub.address,
        HF_HUB_DOWNLOAD_TIMEOUT: "600",
        SCRIPTED_ALTERNATIVES: "none everything",
      },
      files: { "main.py": "x = 1\n", "page.html": "<p>\n" },
      programs: {
        "dsc-lsp": serverScript("tests.protocol.scripted_server"),
        "crashes-at-once": program(
          'case "$*" in *--version*) echo dsc-lsp 0.0.1; exit;; esac; echo "the shelf is empty" >&2; exit 3',
        ),
        "selected/python": serverScript("tests.protocol.scripted_server", true),
        "python3.11": program('echo "python3.11: No module named dsc_lsp" >&2; exit 1'),
      },
    });
  });
  after(async () => {
    await window.close();
    await hub.close();
  });

  async function completes(name: string): Promise<void> {
    await window.status(/^scripted/);
    await window.toEnd();
    await window.press("Escape", "Enter");
    await window.type(`${name} = `);
    assert.equal(await window.ghostText(), "answer");
    await window.press("Tab", "Escape", "Enter");
    await window.save();
    await eventually("it is in the file", () => assert.match(window.read("main.py"), new RegExp(`^${name} = answer$`, "m")));
  }

  return {
    scenario: (name, work) => void test(name, () => watched(window, () => work(window))),
    completes,
    bin: (name) => path.join(window.folder, "bin", name),
    closeHub: () => hub.close(),
  };
}
