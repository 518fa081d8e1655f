/** The status bar item. */

import * as vscode from "vscode";

import type { View } from "./status";

/** Thoughts shorter than this are not shown: the item would flicker at every key. */
const THINKING_MILLISECONDS = 250;

export class StatusBar implements vscode.Disposable {
  private readonly item: vscode.StatusBarItem;
  private timer: NodeJS.Timeout | undefined;

  constructor() {
    this.item = vscode.window.createStatusBarItem("dsc-lsp.status", vscode.StatusBarAlignment.Right, 100);
    this.item.name = "dsc-lsp";
    this.item.command = "dsc-lsp.menu";
    this.item.show();
  }

  show(view: View, isThinking: boolean): void {
    clearTimeout(this.timer);
    if (isThinking) {
      this.timer = setTimeout(() => this.set(view), THINKING_MILLISECONDS);
    } else {
      this.set(view);
    }
  }

  private set(view: View): void {
    this.item.text = view.text;
    this.item.tooltip = view.tooltip.join("\n");
    this.item.accessibilityInformation = { label: `dsc-lsp: ${view.tooltip[0] ?? ""}` };
    this.item.backgroundColor =
      view.kind === "error" ? new vscode.ThemeColor("statusBarItem.errorBackground") : undefined;
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.item.dispose();
  }
}
