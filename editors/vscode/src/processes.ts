/** Child processes that are run to their end. */

import { spawn } from "node:child_process";
import * as os from "node:os";
import { createInterface } from "node:readline";

export interface Finished {
  /** `undefined` if it could not be started or was stopped. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** Why there is no code, for the user. */
  readonly failure: string;
}

export interface RunOptions {
  readonly timeoutSeconds?: number;
  readonly signal?: AbortSignal;
  readonly environment?: NodeJS.ProcessEnv;
  /** Called with each line of both streams. */
  readonly onLine?: (line: string) => void;
}

/**
 * The environment of everything that is Python: no module of the current folder may take the place
 * of ours, and what is printed is UTF-8.
 */
export function pythonEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PYTHONSAFEPATH: "1", PYTHONUTF8: "1" };
}

/** Run a program to its end; never rejects. */
export function run(
  executable: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  return new Promise((resolve) => {
    let stdout = "";
    let stderr = "";
    let failure = "";
    const finish = (code: number | undefined): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", abort);
      resolve({ code, stdout, stderr, failure });
    };
    const child = spawn(executable, args, {
      cwd: os.homedir(),
      env: options.environment ?? pythonEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
      windowsHide: true,
    });
    const abort = (): void => {
      failure = "it was stopped";
      child.kill();
    };
    const timer = setTimeout(
      () => {
        failure = `it did not end within ${options.timeoutSeconds} s`;
        child.kill("SIGKILL");
      },
      (options.timeoutSeconds ?? 24 * 3600) * 1000,
    );
    options.signal?.addEventListener("abort", abort);
    if (options.signal?.aborted === true) abort();
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    if (options.onLine !== undefined) {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on("line", options.onLine);
      }
    }
    child.once("error", (error: NodeJS.ErrnoException) => {
      failure = spawnFailure(error);
      finish(undefined);
    });
    child.once("close", (code) => finish(failure === "" ? (code ?? undefined) : undefined));
  });
}

/** Say why a program could not be started. */
export function spawnFailure(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ENOENT":
      return "it does not exist";
    case "EACCES":
      return "it may not be run";
    default:
      return `it could not be started (${error.code ?? error.message})`;
  }
}

/** Return the last line that says something, for a message. */
export function lastLine(text: string): string {
  return text.trimEnd().split(/\r?\n/).at(-1)?.trim() ?? "";
}
