/** dsc-lsp in a virtual environment of its own, from the wheel that this extension brings. */

import * as fs from "node:fs";
import * as path from "node:path";

import { onPath, pythonIn } from "./find";
import * as problems from "./problems";
import type { Problem } from "./problems";
import { lastLine, run } from "./processes";

export interface Step {
  readonly message: string;
  readonly percent: number | undefined;
}

export interface InstallOptions {
  /** Where the virtual environment is made; what is there is removed. */
  readonly environment: string;
  readonly wheel: string;
  readonly constraints: string;
  /** The interpreter that makes it. */
  readonly python: string;
  readonly pipArguments: readonly string[];
  readonly signal: AbortSignal;
  readonly onStep: (step: Step) => void;
  readonly log: (line: string) => void;
}

const LEAST_PYTHON = [3, 11] as const;
const NAMES = ["python3.13", "python3.12", "python3.11", "python3", "python", "py"] as const;
const CHECK =
  "import sys, venv, ensurepip; print(sys.version_info.major, sys.version_info.minor)";
const RAW_PROGRESS_SINCE = [24, 1] as const;
const RAW_PROGRESS = /^\s*Progress (\d+) of (\d+)\s*$/;

/** Return an interpreter that can make the environment, or what is wrong with those that are there. */
export async function basePython(
  candidates: readonly string[],
): Promise<{ readonly python: string } | { readonly tried: readonly string[] }> {
  const tried: string[] = [];
  const named = NAMES.map((name) => onPath(name, process.env)).filter((file) => file !== undefined);
  for (const python of new Set([...candidates, ...named])) {
    const { code, stdout, stderr, failure } = await run(python, ["-c", CHECK], {
      timeoutSeconds: 30,
    });
    const [major = 0, minor = 0] = stdout.trim().split(" ").map(Number);
    if (code !== 0) tried.push(`${python}: ${failure || lastLine(stderr)}`);
    else if (isBefore([major, minor], LEAST_PYTHON)) tried.push(`${python} is ${major}.${minor}`);
    else return { python };
  }
  return { tried };
}

/** Install; returns what went wrong, or nothing. A stopped installation leaves nothing behind. */
export async function install(options: InstallOptions): Promise<Problem | undefined> {
  const python = pythonIn(options.environment);
  const problem =
    (await step(options, "Making a virtual environment", options.python, [
      ...["-m", "venv", "--clear", options.environment],
    ])) ??
    (await step(options, "Installing dsc-lsp", python, [
      ...["-m", "pip", "install", "--disable-pip-version-check", "--no-input"],
      ...(await progressOption(python)),
      ...["-c", options.constraints, ...options.pipArguments, options.wheel],
    ]));
  if (problem !== undefined || options.signal.aborted) {
    fs.rmSync(options.environment, { recursive: true, force: true });
  }
  return options.signal.aborted ? undefined : problem;
}

async function step(
  options: InstallOptions,
  name: string,
  executable: string,
  args: readonly string[],
): Promise<Problem | undefined> {
  options.onStep({ message: name, percent: undefined });
  options.log(`${executable} ${args.join(" ")}`);
  const { code, stdout, stderr, failure } = await run(executable, args, {
    signal: options.signal,
    onLine: (line) => {
      const step = stepOf(line);
      if (step !== undefined) options.onStep(step);
      if (!RAW_PROGRESS.test(line)) options.log(line);
    },
  });
  if (code === 0) return undefined;
  return problems.installFailed(name, failure || lastLine(stderr) || lastLine(stdout));
}

/** pip tells its progress to programs since 24.1; before, the names of what it fetches must do. */
async function progressOption(python: string): Promise<readonly string[]> {
  const { stdout } = await run(python, ["-m", "pip", "--version"], { timeoutSeconds: 30 });
  const [major = 0, minor = 0] = (/^pip (\d+)\.(\d+)/.exec(stdout)?.slice(1) ?? []).map(Number);
  return isBefore([major, minor], RAW_PROGRESS_SINCE) ? [] : ["--progress-bar", "raw"];
}

function isBefore(version: readonly [number, number], other: readonly [number, number]): boolean {
  return version[0] < other[0] || (version[0] === other[0] && version[1] < other[1]);
}

/** Return what a line of pip means to someone who waits. */
export function stepOf(line: string): Step | undefined {
  const progress = RAW_PROGRESS.exec(line);
  if (progress !== null) {
    const total = Number(progress[2]);
    return { message: "", percent: total === 0 ? undefined : (100 * Number(progress[1])) / total };
  }
  const download = /^\s*(?:Downloading|Using cached) (\S+?)-\d\S* \(([^)]+)\)/.exec(line);
  if (download !== null) {
    return { message: `Downloading ${download[1]} (${download[2]})`, percent: undefined };
  }
  const collecting = /^Collecting ([\w.-]+)/.exec(line);
  if (collecting !== null) return { message: `Looking for ${collecting[1]}`, percent: undefined };
  if (/^Installing collected packages/.test(line)) {
    return { message: "Unpacking", percent: undefined };
  }
  return undefined;
}

/** Return the wheel and the constraints that this extension brings, if it does. */
export function bundledServer(
  extensionFolder: string,
): { readonly wheel: string; readonly constraints: string; readonly version: string } | undefined {
  const folder = path.join(extensionFolder, "server");
  const wheel = fs.existsSync(folder)
    ? fs.readdirSync(folder).find((name) => name.endsWith(".whl"))
    : undefined;
  const version = wheel?.split("-")[1];
  if (wheel === undefined || version === undefined) return undefined;
  return {
    wheel: path.join(folder, wheel),
    constraints: path.join(folder, "constraints.txt"),
    version,
  };
}
