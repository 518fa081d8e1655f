/** What goes wrong before the server answers, in words for the user, each with its remedies. */

import type { Origin, Rejected } from "./find";

export interface Remedy {
  readonly title: string;
  readonly command: string;
  readonly args?: readonly unknown[];
}

export interface Problem {
  readonly text: string;
  readonly remedies: readonly Remedy[];
  /** Whether the user may choose not to be asked again. */
  readonly isOffer?: boolean;
}

const INSTALL: Remedy = { title: "Install", command: "dsc-lsp.install" };
const SETTING: Remedy = {
  title: "Open Setting",
  command: "workbench.action.openSettings",
  args: ["dsc.server.path"],
};
const LOG: Remedy = { title: "Show Log", command: "dsc-lsp.showLog" };
const RESTART: Remedy = { title: "Restart", command: "dsc-lsp.restart" };
const DOCTOR: Remedy = { title: "Run Doctor", command: "dsc-lsp.doctor" };
const TRUST: Remedy = { title: "Manage Trust", command: "workbench.trust.manage" };

const PLACES: Record<Origin, (executable: string) => string> = {
  setting: (executable) => `the setting \`dsc.server.path\` (${executable})`,
  python: (executable) => `the Python of this workspace (${executable})`,
  path: (executable) => executable,
  own: () => "its own virtual environment",
};

/** Say where a server comes from. */
export function place(origin: Origin, executable: string): string {
  return PLACES[origin](executable);
}

export function wrongSetting(rejected: Rejected): Problem {
  const { executable } = rejected.command;
  return {
    text:
      `The setting \`dsc.server.path\` names ${executable}, but ${rejected.reason}.` +
      " Correct it, or empty it to let dsc-lsp be found.",
    remedies: [SETTING, LOG],
  };
}

export function notFound(rejected: readonly Rejected[], isTrusted: boolean): Problem {
  const tried = rejected.map(
    ({ command, reason }) => `${place(command.origin, command.executable)}: ${reason}`,
  );
  const where =
    tried.length === 0 ? "neither in a Python of this workspace nor on the PATH" : tried.join("; ");
  if (!isTrusted) {
    return {
      text:
        `dsc-lsp was not found (${where}). This workspace is not trusted, so its Python is not run:` +
        " trust the workspace, or install dsc-lsp into a virtual environment of its own.",
      remedies: [TRUST, INSTALL, SETTING],
    };
  }
  return {
    text:
      `dsc-lsp was not found (${where}).` +
      " Install it into a virtual environment of its own, or say where it is?",
    remedies: [INSTALL, SETTING],
    isOffer: true,
  };
}

export function failedAtStart(executable: string, reason: string): Problem {
  return {
    text:
      `dsc-lsp (${executable}) did not start: ${reason}.` +
      " The doctor looks for the cause; the log has the details.",
    remedies: [DOCTOR, LOG, RESTART],
  };
}

export function crashedTooOften(reason: string): Problem {
  return {
    text: `dsc-lsp has crashed too often and was not started again (${reason}). The log may say why.`,
    remedies: [RESTART, LOG, DOCTOR],
  };
}

export function installFailed(step: string, reason: string): Problem {
  return {
    text: `dsc-lsp could not be installed: ${step} failed (${reason}). The log has all of its output.`,
    remedies: [LOG, INSTALL],
  };
}

export function noPython(tried: readonly string[]): Problem {
  const list = tried.length === 0 ? "none was found" : tried.join("; ");
  return {
    text:
      `dsc-lsp needs Python 3.11 or newer with venv and pip (${list}).` +
      " Install Python (on Debian and Ubuntu also python3-venv) and try again.",
    remedies: [INSTALL],
  };
}

export function noServerInside(): Problem {
  return {
    text:
      "This build of the extension brings no server along." +
      " Install dsc-lsp with pip and set `dsc.server.path`, or build the extension with `npm run package`.",
    remedies: [SETTING],
  };
}

export function outdated(installed: string, brought: string): Problem {
  return {
    text:
      `This extension brings dsc-lsp ${brought}, and its virtual environment has ${installed}.` +
      " Install the newer one?",
    remedies: [INSTALL],
    isOffer: true,
  };
}

export function notAFile(scheme: string): Problem {
  return {
    text:
      `dsc-lsp makes no suggestions in this file, because it is not on the machine where dsc-lsp runs (${scheme}:).` +
      " Open its folder in a remote window (SSH, container, WSL), where dsc-lsp runs beside it, or save a copy to the disk.",
    remedies: [],
  };
}
