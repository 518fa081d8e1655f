// Makes build/dsc-lsp.vsix, with the server's wheel inside; needs no network.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";

const root = resolve("../..");
const environment = join(root, ".venv", process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
const python = process.env.PYTHON ?? (existsSync(environment) ? environment : "python3");

// From a copy: setuptools would take what a former build has left beside the sources.
const copy = mkdtempSync(join(tmpdir(), "dsc-lsp-wheel-"));
try {
  for (const name of ["dsc_lsp", "pyproject.toml", "README.md", "LICENSE"]) {
    cpSync(join(root, name), join(copy, name), {
      recursive: true,
      filter: (file) => !["__pycache__", "build"].includes(basename(file)),
    });
  }
  rmSync("server", { recursive: true, force: true });
  mkdirSync("server");
  // What builds the wheel is fetched only where it is not there.
  const builder = "import setuptools; assert int(setuptools.__version__.split('.')[0]) >= 77";
  const isThere = spawnSync(python, ["-c", builder]).status === 0;
  const isolation = isThere ? ["--no-build-isolation"] : [];
  run(python, ["-m", "pip", "wheel", "--quiet", "--no-deps", ...isolation, "-w", resolve("server"), copy]);
} finally {
  rmSync(copy, { recursive: true, force: true });
}
cpSync(join(root, "constraints.txt"), "server/constraints.txt");
cpSync(join(root, "LICENSE"), "LICENSE");
run("node", [
  ...["node_modules/@vscode/vsce/vsce", "package", "--no-dependencies", "--allow-missing-repository"],
  ...["--no-rewrite-relative-links", "--out", "build/dsc-lsp.vsix"],
]);

function run(executable, args) {
  execFileSync(executable, args, { stdio: "inherit" });
}
