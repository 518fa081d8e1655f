/** Which command starts the server: the first of the candidates that answers `--version`. */

import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

import { lastLine, run } from "./processes";

export type Origin = "setting" | "python" | "path" | "own";

/** A program and its first arguments; those of the server follow. */
export interface ServerCommand {
  readonly executable: string;
  readonly args: readonly string[];
  readonly origin: Origin;
}

export interface Found {
  readonly command: ServerCommand;
  readonly version: string;
  /** Candidates before it that do not start the server. */
  readonly rejected: readonly Rejected[];
}

export interface Rejected {
  readonly command: ServerCommand;
  readonly reason: string;
}

export interface Candidates {
  /** What the user wrote in the settings; if it is there, nothing else is tried. */
  readonly setting: string;
  /** Python interpreters that the workspace's files are run with. */
  readonly pythons: readonly string[];
  /** `dsc-lsp` on the PATH. */
  readonly onPath: string | undefined;
  /** The interpreter of the virtual environment that this extension has made. */
  readonly own: string | undefined;
}

export type Probe = (command: ServerCommand) => Promise<string | Rejected>;

const PROBE_SECONDS = 30;
const WINDOWS = process.platform === "win32";

/** Return the first candidate that starts the server, or why none does. */
export async function findServer(
  candidates: Candidates,
  probe: Probe = askVersion,
): Promise<Found | readonly Rejected[]> {
  const rejected: Rejected[] = [];
  for (const command of commands(candidates)) {
    const answer = await probe(command);
    if (typeof answer === "string") return { command, version: answer, rejected };
    rejected.push(answer);
  }
  return rejected;
}

/** Return the commands to try, in order. */
export function commands(candidates: Candidates): readonly ServerCommand[] {
  if (candidates.setting !== "") return [fromSetting(candidates.setting)];
  const found: ServerCommand[] = unique(candidates.pythons).map((python) => ofPython(python, "python"));
  if (candidates.onPath !== undefined) {
    found.push({ executable: candidates.onPath, args: [], origin: "path" });
  }
  if (candidates.own !== undefined) found.push(ofPython(candidates.own, "own"));
  return found;
}

/** Ask a command for its version; anything but dsc-lsp's answer is a reason to reject it. */
export async function askVersion(command: ServerCommand): Promise<string | Rejected> {
  const { code, stdout, stderr, failure } = await run(
    command.executable,
    [...command.args, "--version"],
    { timeoutSeconds: PROBE_SECONDS },
  );
  const version = /^dsc-lsp (\d+\.\S+)\s*$/.exec(stdout)?.[1];
  if (code === 0 && version !== undefined) return version;
  return { command, reason: failure || reasonOf(stderr) };
}

function reasonOf(stderr: string): string {
  if (/No module named '?dsc_lsp'?/.test(stderr)) return "dsc-lsp is not installed there";
  const last = lastLine(stderr);
  return last === "" ? "it is not dsc-lsp" : `it does not start: ${last}`;
}

/** Return the command that a user means: a program, a Python, or a virtual environment. */
export function fromSetting(setting: string): ServerCommand {
  const written = setting.startsWith("~") ? os.homedir() + setting.slice(1) : setting;
  const executable = isFolder(written)
    ? pythonIn(written)
    : path.basename(written) === written
      ? (onPath(written, process.env) ?? written)
      : written;
  return isPython(executable)
    ? ofPython(executable, "setting")
    : { executable, args: [], origin: "setting" };
}

function ofPython(executable: string, origin: Origin): ServerCommand {
  return { executable, args: ["-m", "dsc_lsp"], origin };
}

function isPython(executable: string): boolean {
  return /^(python|pypy)[\d.]*(\.exe)?$/i.test(path.basename(executable));
}

/** Return where the interpreter of a virtual environment is. */
export function pythonIn(environment: string): string {
  return WINDOWS
    ? path.join(environment, "Scripts", "python.exe")
    : path.join(environment, "bin", "python");
}

/**
 * Return where a program is on the PATH.
 *
 * Entries that are not absolute are left out, because they would mean something of the workspace,
 * and so are those inside `forbidden` folders.
 */
export function onPath(
  name: string,
  environment: NodeJS.ProcessEnv,
  forbidden: readonly string[] = [],
): string | undefined {
  const folders = (environment["PATH"] ?? environment["Path"] ?? "").split(path.delimiter);
  return folders
    .filter((folder) => path.isAbsolute(folder) && !forbidden.some((root) => isInside(folder, root)))
    .map((folder) => path.join(folder, WINDOWS && path.extname(name) === "" ? `${name}.exe` : name))
    .find(isProgram);
}

function isInside(file: string, folder: string): boolean {
  const relative = path.relative(folder, file);
  return relative === "" || !(relative.startsWith("..") || path.isAbsolute(relative));
}

/** Return the interpreters of the virtual environments that lie in a folder. */
export function environmentsIn(folder: string): readonly string[] {
  return [".venv", "venv", "env"]
    .map((name) => pythonIn(path.join(folder, name)))
    .filter(isProgram);
}

export function isProgram(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

function isFolder(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
