/** The commands of the palette and of the menu. */

import * as vscode from "vscode";

import { installServer } from "./installing";
import { menuItems } from "./menu";
import { chooseModel } from "./models";
import * as places from "./places";
import { run } from "./processes";
import type { Reports } from "./reports";
import type { Session } from "./session";

export interface CommandsOptions {
  readonly context: vscode.ExtensionContext;
  readonly session: Session;
  readonly log: vscode.LogOutputChannel;
  readonly reports: Reports;
}

/** Registers the commands; a failure of one is told and logged, never swallowed. */
export class Commands implements vscode.Disposable {
  private readonly registrations: readonly vscode.Disposable[];
  private isInstalling = false;

  constructor(private readonly options: CommandsOptions) {
    const { session, log } = options;
    const table: Record<string, () => unknown> = {
      menu: () => this.menu(),
      toggle: () => places.toggleEverywhere(),
      toggleLanguage: () => places.toggleLanguage(),
      restart: () => session.restart(),
      chooseModel: () => chooseModel(session),
      showLog: () => log.show(),
      explain: () => this.explain(),
      statistics: () => this.statistics(),
      doctor: () => this.doctor(),
      install: () => this.install(),
    };
    this.registrations = Object.entries(table).map(([name, command]) =>
      vscode.commands.registerCommand(`dsc-lsp.${name}`, command),
    );
  }

  dispose(): void {
    for (const registration of this.registrations) registration.dispose();
  }

  private async menu(): Promise<void> {
    const front = places.frontOf(vscode.window.activeTextEditor);
    const items = menuItems(this.options.session.activity, front);
    const chosen = await vscode.window.showQuickPick(items, { title: "dsc-lsp" });
    if (chosen === undefined) return;
    await vscode.commands.executeCommand(chosen.command, ...(chosen.args ?? []));
  }

  private async install(): Promise<void> {
    const { context, session, log } = this.options;
    if (this.isInstalling) return;
    this.isInstalling = true;
    try {
      // The server may run from the environment that is made anew.
      await session.stop();
      const problem = await installServer(context, log, (activity) => session.become(activity));
      if (problem === undefined || problem === "stopped") {
        await session.restart();
      } else {
        session.become({ kind: "failed", problem });
      }
    } finally {
      this.isInstalling = false;
    }
  }

  private async doctor(): Promise<void> {
    const { session, reports } = this.options;
    if (session.found === undefined) {
      void vscode.window.showErrorMessage(
        "The doctor is part of dsc-lsp, which was not found. Install it first.",
      );
      return;
    }
    const { executable, args } = session.found.command;
    const result = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Window, title: "dsc-lsp doctor" },
      () => run(executable, [...args, "doctor"], { timeoutSeconds: 120 }),
    );
    const text = [result.stdout, result.stderr, result.failure].filter((part) => part !== "");
    await reports.show("dsc-lsp doctor", text.join("\n"));
  }

  private async explain(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    if (editor === undefined || !places.isOn(editor.document)) {
      void vscode.window.showInformationMessage(whyNotHere(editor));
      return;
    }
    // The server shows its answer itself, for editors that do not.
    await this.ask("dsc.explain", "say why there is no suggestion", async () => undefined);
  }

  private async statistics(): Promise<void> {
    await this.ask("dsc.stats", "tell statistics", (answer) =>
      this.options.reports.show("dsc-lsp statistics", asText(answer)),
    );
  }

  /** Ask the server by one of its commands, if it has it. */
  private async ask(
    command: string,
    what: string,
    show: (answer: unknown) => Promise<void>,
  ): Promise<void> {
    const { session } = this.options;
    if (!session.offers(command)) {
      const reason =
        session.activity.kind === "running"
          ? `This dsc-lsp (${session.found?.version}) cannot ${what}: it has no command \`${command}\`. Update it.`
          : `dsc-lsp is not running, so it cannot ${what}.`;
      void vscode.window.showInformationMessage(reason);
      return;
    }
    try {
      await show(await session.execute(command));
    } catch (error) {
      void vscode.window.showErrorMessage(
        `dsc-lsp did not answer \`${command}\`: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
}

function whyNotHere(editor: vscode.TextEditor | undefined): string {
  const front = places.frontOf(editor);
  switch (front.off) {
    case "everywhere":
      return "No suggestion, because dsc-lsp is switched off (`dsc.enabled`).";
    case "language":
      return `No suggestion, because dsc-lsp is switched off for ${front.language} (\`dsc.languages\`).`;
    case "elsewhere":
      return `No suggestion, because ${front.scheme}: is not on the machine where dsc-lsp runs.`;
    default:
      return "Put the cursor where you miss a suggestion, then ask again.";
  }
}

function asText(answer: unknown): string {
  return typeof answer === "string" ? answer : JSON.stringify(answer, undefined, 2);
}
