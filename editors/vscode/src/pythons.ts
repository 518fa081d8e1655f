/** The Python interpreters with which the files of this workspace are run. */

import * as vscode from "vscode";

import { environmentsIn } from "./find";

/** The part of the Python extension's interface that is used (ms-python.python, since 2023). */
interface PythonExtension {
  readonly environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { readonly path: string };
    resolveEnvironment(environment: {
      readonly path: string;
    }): Promise<{ readonly executable: { readonly uri: vscode.Uri | undefined } } | undefined>;
    readonly onDidChangeActiveEnvironmentPath: vscode.Event<unknown>;
  };
}

const PATIENCE_MILLISECONDS = 5_000;

/**
 * Return the selected interpreters, then those of virtual environments in the workspace's folders.
 *
 * None in a workspace that is not trusted: running its Python would run its code.
 */
export async function workspacePythons(): Promise<readonly string[]> {
  if (!vscode.workspace.isTrusted) return [];
  const folders = vscode.workspace.workspaceFolders?.map(({ uri }) => uri) ?? [];
  const extension = await pythonExtension();
  const scopes = folders.length === 0 ? [undefined] : folders;
  const selected = await Promise.all(scopes.map((scope) => selectedPython(extension, scope)));
  const local = folders.filter(({ scheme }) => scheme === "file");
  return [
    ...selected.filter((python) => python !== undefined),
    ...local.flatMap(({ fsPath }) => environmentsIn(fsPath)),
  ];
}

/** Call back when another interpreter is selected. */
export async function onSelection(changed: () => void): Promise<vscode.Disposable> {
  const extension = await pythonExtension();
  return (
    extension?.environments.onDidChangeActiveEnvironmentPath(changed) ??
    new vscode.Disposable(() => undefined)
  );
}

async function selectedPython(
  extension: PythonExtension | undefined,
  scope: vscode.Uri | undefined,
): Promise<string | undefined> {
  if (extension === undefined) return undefined;
  const { environments } = extension;
  try {
    const selected = environments.getActiveEnvironmentPath(scope);
    return (await environments.resolveEnvironment(selected))?.executable.uri?.fsPath;
  } catch {
    return undefined; // what another extension does must not keep ours from starting
  }
}

async function pythonExtension(): Promise<PythonExtension | undefined> {
  const extension = vscode.extensions.getExtension<PythonExtension>("ms-python.python");
  if (extension === undefined) return undefined;
  const late = new Promise<undefined>((resolve) => {
    setTimeout(() => resolve(undefined), PATIENCE_MILLISECONDS).unref();
  });
  try {
    const exported = await Promise.race([extension.activate(), late]);
    return exported?.environments === undefined ? undefined : exported;
  } catch {
    return undefined;
  }
}
