/** Where suggestions are switched off and on. */

import type { SharedWindow } from "./sharedWindow";

export function switches({ scenario, completes }: SharedWindow): void {
  scenario("a language is switched off and on by the menu", async (window) => {
    await window.status(/^scripted/);
    await (await window.menu()).filter({ hasText: "Disable for python" }).click();
    await window.says("circle-slash", /switched off for python/);
    await window.toEnd();
    await window.type("off = ");
    await (await window.menu()).filter({ hasText: "Enable for python" }).click();
    await completes("on");
  });

  scenario("everything is switched off and on by a command", async (window) => {
    await window.command("dsc-lsp: Enable or Disable");
    await window.says("circle-slash", /switched off\./);
    await window.command("dsc-lsp: Enable or Disable");
    await window.status(/^scripted/);
  });
}
