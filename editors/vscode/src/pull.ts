/** What `dsc-lsp pull --json` says, in words for someone who waits. */

export interface PullProgress {
  /** Of the whole; `undefined` while it waits for another program. */
  readonly percent: number | undefined;
  readonly message: string;
}

/** Return what a line of its output means; nothing if it says no progress. */
export function progressOf(line: string): PullProgress | undefined {
  const { done, total, waiting } = parsed(line);
  if (waiting === true) {
    return { percent: undefined, message: "another program is fetching it; waiting for that" };
  }
  if (typeof done !== "number" || typeof total !== "number" || total === 0) return undefined;
  const percent = Math.floor((100 * done) / total);
  return { percent, message: `${percent} % of ${size(total)}` };
}

/** Return why it failed, from its last line on standard error. */
export function reasonOf(lastLine: string): string {
  return lastLine.replace(/^dsc-lsp(?: pull)?: /, "");
}

/** Return what is wrong with the name of a model on the hub; nothing if it can be one. */
export function wrongName(name: string): string | undefined {
  return /^[\w.-]+\/[\w.-]+$/.test(name) && !name.startsWith(".")
    ? undefined
    : "A name on the hub has an owner and a model, such as deepseek-ai/deepseek-coder-1.3b-base.";
}

function parsed(line: string): { done?: unknown; total?: unknown; waiting?: unknown } {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function size(bytes: number): string {
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
