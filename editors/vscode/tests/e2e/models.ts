/** Models: chosen, fetched, and what keeps them from it. */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";

import type { SharedWindow } from "./sharedWindow";
import { eventually, serverPids, type Window } from "./window";

export function models({ scenario, completes, closeHub }: SharedWindow): void {
  scenario("a model is chosen from those on the disk, and the server takes it", async (window) => {
    await window.command("dsc-lsp: Choose a Model");
    await window.quickPick().filter({ hasText: "in use" }).filter({ hasText: "auto" }).waitFor();
    const absent = window.quickPick().filter({ hasText: "deepseek-ai/deepseek-coder-1.3b-base" });
    await absent.filter({ hasText: "2.5 GiB · will be fetched" }).waitFor();
    const before = serverPids(window).length;
    await window.quickPick().filter({ hasText: "starter" }).filter({ hasText: "brings along" }).click();
    await eventually("the server is started anew", () => assert.equal(serverPids(window).length, before + 1));
    assert.equal(window.setting("dsc.model"), "starter");
    await window.status(/^scripted/);
  });

  scenario("a model is fetched with progress, stopped, taken up again and used", async (window) => {
    const slow = "somebody/deepseek-coder-slow-base";
    const cache = path.join(window.folder, "home/cache/huggingface/hub/models--somebody--deepseek-coder-slow-base");
    const before = serverPids(window).length;
    await fetchModel(window, slow);
    const progress = await window.message(`Fetching ${slow}`);
    // The hub stops at the half.
    await progress.filter({ hasText: "50 % of 11 MB" }).waitFor();
    await window.page.screenshot({ path: "build/fetching.png" });
    await progress.getByText("Cancel").click();
    const stopped = await window.message(`${slow} was not fetched to its end. What is here stays`);
    assert(fs.readdirSync(path.join(cache, "blobs")).some((name) => name.endsWith(".incomplete")));
    assert(!fs.existsSync(path.join(cache, "snapshots")));
    await stopped.getByText("Go On").click();
    await eventually("the server is started anew", () => assert.equal(serverPids(window).length, before + 1));
    assert.equal(window.setting("dsc.model"), slow);
    assert(!fs.readdirSync(path.join(cache, "blobs")).some((name) => name.endsWith(".incomplete")));
    await completes("fetched");
    await modelChoices(window, "slow");
    await window.quickPick().filter({ hasText: slow }).filter({ hasText: "on this disk" }).filter({ hasText: "in use" }).waitFor();
    await window.press("Escape");
  });

  scenario("what keeps a model from being fetched is told with the remedy", async (window) => {
    await fetchModel(window, "no-name");
    await window.page.getByText("A name on the hub has an owner and a model").waitFor();
    await window.press("Escape");
    await fetchModel(window, "somebody/nothing");
    await isTold(window, "somebody/nothing was not fetched: the hub has no model somebody/nothing", "HF_TOKEN");
    await fetchModel(window, "somebody/deepseek-coder-gated-base");
    await isTold(window, "wants you to accept its terms on the hub", "hf auth login");
    await fetchModel(window, "somebody/deepseek-coder-huge-base");
    await isTold(window, "needs 10000000.0 GB", "Make room, or set HF_HOME to another disk");
    await fetchModel(window, "somebody/deepseek-coder-damaged-base");
    await isTold(window, "arrived damaged and was thrown away", "HF_ENDPOINT names a mirror");
    await fetchModel(window, "somebody/deepseek-coder-pickled-base");
    await isTold(window, "has no *.safetensors", "Look for a safetensors copy");
    await closeHub();
    await fetchModel(window, "somebody/deepseek-coder-tiny-base");
    await isTold(window, "cannot be reached", "Check the network and proxies");
    assert.equal(window.setting("dsc.model"), "somebody/deepseek-coder-slow-base");
  });
}

/** Open the list of models, and see those that a text is in. */
async function modelChoices(window: Window, text: string): Promise<void> {
  await window.command("dsc-lsp: Choose a Model");
  await window.quickPick().filter({ hasText: "The small model that dsc-lsp brings along" }).waitFor();
  await window.answer(text);
}

/** Ask for a model of the hub by its name. */
async function fetchModel(window: Window, name: string): Promise<void> {
  await modelChoices(window, "Another model");
  await window.quickPick().filter({ hasText: "Another model of the hub" }).click();
  await window.page.getByPlaceholder("deepseek-ai/deepseek-coder-1.3b-base").waitFor();
  await window.answer(name);
  await window.press("Enter");
}

/** A message about a fetch that failed; it is closed again. */
async function isTold(window: Window, ...pieces: readonly string[]): Promise<void> {
  const message = await window.message(pieces[0] ?? "");
  for (const piece of pieces) await message.filter({ hasText: piece }).waitFor();
  await message.getByText("Try Again").waitFor();
  await message.hover();
  await message.locator(".codicon-notifications-clear").click();
  await message.waitFor({ state: "hidden" });
}
