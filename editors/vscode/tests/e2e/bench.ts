/** What all windows of a run share, and a window for one test. */

import * as fs from "node:fs";
import { after, before } from "node:test";

import { Bench, type Window, type WindowOptions } from "./window";

let bench: Bench | undefined;
let failures = 0;

before(async () => {
  bench = await Bench.open();
});
after(async () => {
  await bench?.close();
});

/** The bench of this run; only within tests and their hooks. */
export function theBench(): Bench {
  if (bench === undefined) throw new Error("no test has begun");
  return bench;
}

/** Keep a picture and the logs of a window in which something failed. */
export async function watched(window: Window, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    failures += 1;
    // A page that hangs has none, and the failure is what counts.
    await window.page.screenshot({ path: `build/failure-${failures}.png` }).catch(() => undefined);
    fs.writeFileSync(`build/failure-${failures}.log`, window.logs());
    throw error;
  }
}

export async function inWindow(options: WindowOptions, work: (window: Window) => Promise<void>): Promise<void> {
  const window = await theBench().window(options);
  try {
    await watched(window, () => work(window));
  } finally {
    await window.close();
  }
}
