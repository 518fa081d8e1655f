/** Choosing a model: what is on the disk, and fetching what is not. */

import * as vscode from "vscode";

import { lastLine, pythonEnvironment, run } from "./processes";
import type { Session } from "./session";
import { SECTION } from "./settings";

/** What the server's command `dsc.models` answers, one for each model that it knows. */
export interface KnownModel {
  readonly name: string;
  readonly isOnDisk: boolean;
  readonly megabytes: number;
  readonly note: string;
}

export interface Choice extends vscode.QuickPickItem {
  /** The value of `dsc.model`; `undefined` asks for a folder. */
  readonly value: string | undefined;
  readonly mustBeFetched: boolean;
}

const FOLDER: Choice = {
  label: "$(folder) A folder…",
  detail: "With config.json, tokenizer.json and *.safetensors.",
  value: undefined,
  mustBeFetched: false,
};

/** Ask for a model and set it; the server is started anew by the change of the setting. */
export async function chooseModel(session: Session): Promise<void> {
  const canFetch = await serverCanFetch(session);
  const known = await knownModels(session);
  const current = vscode.workspace.getConfiguration(SECTION, null).get("model", "auto");
  const choice = await vscode.window.showQuickPick(choices(known, current, canFetch), {
    title: "dsc-lsp: choose a model",
    placeHolder: canFetch
      ? "Models that are not on this disk are fetched first."
      : "This dsc-lsp cannot fetch models (it has no `pull`); choose one that is on this disk.",
    matchOnDescription: true,
  });
  if (choice === undefined) return;
  const value = choice.value ?? (await askForFolder());
  if (value === undefined) return;
  if (choice.mustBeFetched && !(await fetchModel(session, value, canFetch))) return;
  await vscode.workspace
    .getConfiguration(SECTION, null)
    .update("model", value, vscode.ConfigurationTarget.Global);
}

/** Return what can be chosen, the current model marked. */
export function choices(
  known: readonly KnownModel[],
  current: string,
  canFetch: boolean,
): readonly Choice[] {
  const always: Choice[] = [
    {
      label: "auto",
      detail: "The best model on this disk that fits the GPU, else the embedded starter.",
      value: "auto",
      mustBeFetched: false,
    },
    {
      label: "starter",
      detail: "The small model that dsc-lsp brings along; needs no GPU.",
      value: "starter",
      mustBeFetched: false,
    },
  ];
  const others = known.map((model) => ({
    label: model.isOnDisk ? model.name : `$(cloud-download) ${model.name}`,
    detail: detailOf(model, canFetch),
    value: model.name,
    mustBeFetched: !model.isOnDisk,
  }));
  return [...always, ...others, FOLDER].map((choice) =>
    choice.value === current ? { ...choice, description: "in use" } : choice,
  );
}

function detailOf(model: KnownModel, canFetch: boolean): string {
  const size = model.megabytes > 0 ? `${(model.megabytes / 1024).toFixed(1)} GiB` : "";
  const where = model.isOnDisk
    ? "on this disk"
    : canFetch
      ? "will be fetched"
      : `not on this disk: run \`hf download ${model.name}\` in a terminal`;
  return [size, where, model.note].filter((part) => part !== "").join(" · ");
}

async function knownModels(session: Session): Promise<readonly KnownModel[]> {
  if (!session.offers("dsc.models")) return [];
  try {
    return await session.execute<readonly KnownModel[]>("dsc.models");
  } catch {
    return [];
  }
}

async function serverCanFetch({ found }: Session): Promise<boolean> {
  if (found === undefined) return false;
  const { executable, args } = found.command;
  return (await run(executable, [...args, "pull", "--help"], { timeoutSeconds: 30 })).code === 0;
}

async function askForFolder(): Promise<string | undefined> {
  const chosen = await vscode.window.showOpenDialog({
    canSelectFiles: false,
    canSelectFolders: true,
    openLabel: "Use this model",
  });
  return chosen?.[0]?.fsPath;
}

/** Fetch a model with `dsc-lsp pull`; false if it is not there afterwards. */
async function fetchModel(session: Session, name: string, canFetch: boolean): Promise<boolean> {
  if (!canFetch || session.found === undefined) {
    const command = `hf download ${name}`;
    const answer = await vscode.window.showInformationMessage(
      `${name} is not on this disk, and this dsc-lsp cannot fetch it. Run \`${command}\` in a` +
        " terminal, then choose it again.",
      "Copy Command",
    );
    if (answer !== undefined) await vscode.env.clipboard.writeText(command);
    return false;
  }
  const { executable, args } = session.found.command;
  const result = await vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: `Fetching ${name}`,
      cancellable: true,
    },
    (progress, token) => {
      const stop = new AbortController();
      token.onCancellationRequested(() => stop.abort());
      let done = 0;
      const onLine = (line: string): void => {
        const percent = Number(/(\d+(?:\.\d+)?)\s?%/.exec(line)?.[1] ?? done);
        progress.report({ message: line.trim(), increment: Math.max(0, percent - done) });
        done = Math.max(done, percent);
      };
      // The hub's library shows its progress to terminals only, unless this is set.
      const environment = { ...pythonEnvironment(), TQDM_POSITION: "-1" };
      return run(executable, [...args, "pull", name], { signal: stop.signal, environment, onLine });
    },
  );
  if (result.code === 0) return true;
  if (result.failure !== "it was stopped") {
    const reason = result.failure || lastLine(result.stderr);
    void vscode.window.showErrorMessage(`${name} was not fetched: ${reason}`);
  }
  return false;
}
