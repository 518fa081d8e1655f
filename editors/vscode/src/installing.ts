/** The installation of dsc-lsp as the user sees it: with progress, and stoppable. */

import * as path from "node:path";

import * as vscode from "vscode";

import { isProgram, pythonIn } from "./find";
import { basePython, bundledServer, install } from "./install";
import * as problems from "./problems";
import type { Problem } from "./problems";
import { workspacePythons } from "./pythons";
import { pipArguments } from "./settings";
import type { Activity } from "./status";

/** Return the interpreter of the virtual environment that this extension has made, if it has. */
export function ownPython(context: vscode.ExtensionContext): string | undefined {
  const python = pythonIn(ownEnvironment(context));
  return isProgram(python) ? python : undefined;
}

/** Install dsc-lsp; returns what went wrong. `show` is called with each step. */
export async function installServer(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
  show: (activity: Activity) => void,
): Promise<Problem | "stopped" | undefined> {
  const bundled = bundledServer(context.extensionPath);
  if (bundled === undefined) return problems.noServerInside();
  const base = await basePython(await workspacePythons());
  if (!("python" in base)) return problems.noPython(base.tried);
  return vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: `Installing dsc-lsp ${bundled.version}`,
      cancellable: true,
    },
    async (progress, token) => {
      const stop = new AbortController();
      token.onCancellationRequested(() => stop.abort());
      let message = "";
      const problem = await install({
        environment: ownEnvironment(context),
        wheel: bundled.wheel,
        constraints: bundled.constraints,
        python: base.python,
        pipArguments: pipArguments(),
        signal: stop.signal,
        onStep: (step) => {
          if (step.message !== "") message = step.message;
          const share = step.percent === undefined ? "" : `: ${Math.round(step.percent)} %`;
          progress.report({ message: message + share });
          show({ kind: "installing", message, percent: step.percent });
        },
        log: (line) => log.info(line),
      });
      return stop.signal.aborted ? "stopped" : problem;
    },
  );
}

function ownEnvironment(context: vscode.ExtensionContext): string {
  return path.join(context.globalStorageUri.fsPath, "venv");
}
