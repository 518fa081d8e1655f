/**
 * Which settings the server is given, and which are for this extension alone.
 *
 * The server's are generated into package.json from its own schema, so package.json says which they
 * are. Only what the user has set is sent: a default sent as a value would override the server's
 * configuration file.
 */

import * as vscode from "vscode";

export const SECTION = "dsc";

interface Property {
  readonly scope?: string;
}

interface Group {
  readonly id: string;
  readonly properties: Record<string, Property>;
}

/** The server's settings by name without their prefix, those that only the user may set and others. */
export class ServerSettings {
  readonly machine: readonly string[];
  readonly others: readonly string[];

  constructor(manifest: { contributes: { configuration: readonly Group[] } }) {
    const group = manifest.contributes.configuration.find(({ id }) => id === "server");
    const names = Object.entries(group?.properties ?? {});
    const isMachine = ([, property]: [string, Property]): boolean => property.scope === "machine";
    const bare = ([name]: [string, Property]): string => name.slice(SECTION.length + 1);
    this.machine = names.filter(isMachine).map(bare);
    this.others = names.filter((entry) => !isMachine(entry)).map(bare);
  }

  /** What only the user may set; it is read when the server starts. */
  ofUser(): Record<string, unknown> {
    return this.chosen(this.machine, undefined);
  }

  /** What the server asks for, and asks again when it has changed. */
  ofWorkspace(resource: vscode.Uri | undefined): Record<string, unknown> {
    return this.chosen(this.others, resource);
  }

  /** Whether a change can only be taken up by a new server. */
  needRestart(event: vscode.ConfigurationChangeEvent): boolean {
    return this.machine.some((name) => event.affectsConfiguration(`${SECTION}.${name}`));
  }

  private chosen(
    names: readonly string[],
    resource: vscode.Uri | undefined,
  ): Record<string, unknown> {
    const configuration = vscode.workspace.getConfiguration(SECTION, resource ?? null);
    const values: Record<string, unknown> = {};
    for (const name of names) {
      const found = configuration.inspect(name);
      const value = found?.workspaceFolderValue ?? found?.workspaceValue ?? found?.globalValue;
      if (value !== undefined) values[name] = value;
    }
    return values;
  }
}

/** Settings of this extension that decide how the server is started. */
export const START_SETTINGS = ["dsc.server.path", "dsc.server.arguments"] as const;

export function serverPath(): string {
  return ofExtension("server.path", "").trim();
}

export function serverArguments(): readonly string[] {
  return ofExtension<readonly string[]>("server.arguments", []);
}

export function pipArguments(): readonly string[] {
  return ofExtension<readonly string[]>("install.pipArguments", []);
}

export function showsPopups(document: vscode.TextDocument): boolean {
  return ofExtension("popups", false, document);
}

/** Whether the server wants to know what other tools say of a document. */
export function wantsDiagnostics(document: vscode.TextDocument): boolean {
  return ofExtension("diagnosticsContext", false, document);
}

function ofExtension<T>(name: string, otherwise: T, scope?: vscode.ConfigurationScope): T {
  return vscode.workspace.getConfiguration(SECTION, scope ?? null).get(name, otherwise);
}
