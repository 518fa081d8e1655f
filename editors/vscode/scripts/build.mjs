// Bundles the extension into build/extension.js, and the tests beside it.
import { readdirSync } from "node:fs";

import { build } from "esbuild";

const isMinified = process.argv.includes("--minify");
const tests = ["unit", "e2e"].flatMap((folder) =>
  readdirSync(`tests/${folder}`)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `tests/${folder}/${name}`),
);
const common = {
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  sourcemap: !isMinified,
  logLevel: "warning",
};

await build({
  ...common,
  entryPoints: ["src/extension.ts"],
  outfile: "build/extension.js",
  external: ["vscode"],
  minify: isMinified,
});
if (!isMinified) {
  await build({
    ...common,
    entryPoints: tests,
    outdir: "build/tests",
    outbase: "tests",
    external: ["vscode", "playwright-core"],
  });
}
