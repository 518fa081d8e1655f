/** What the status bar shows: a pure function of what the server does and of the file in front. */

import type { Problem } from "./problems";

/** The notification `dsc/status` of the server (docs/architecture.md). */
export interface ServerStatus {
  readonly state: "loading" | "ready" | "thinking" | "off" | "error";
  readonly model: string | null;
  readonly message: string;
  readonly percent: number;
  readonly milliseconds: number | null;
}

/** What goes on with the server, seen from this window. */
export type Activity =
  | { readonly kind: "stopped" }
  | { readonly kind: "searching" }
  | { readonly kind: "installing"; readonly message: string; readonly percent: number | undefined }
  | { readonly kind: "starting"; readonly isAgain: boolean }
  | { readonly kind: "running"; readonly status: ServerStatus | undefined }
  | { readonly kind: "failed"; readonly problem: Problem };

/** The editor in front: its language, and why there are no suggestions in it, if so. */
export interface Front {
  readonly language: string | undefined;
  readonly off: "everywhere" | "language" | "elsewhere" | undefined;
  readonly scheme: string | undefined;
}

export interface Surroundings {
  /** The version and where the server was found, or nothing. */
  readonly server: string;
  readonly isTrusted: boolean;
}

export interface View {
  readonly kind: "busy" | "ready" | "off" | "error";
  readonly text: string;
  /** Lines of plain text. */
  readonly tooltip: readonly string[];
}

/** Return what the status bar shows. */
export function view(activity: Activity, front: Front, around: Surroundings): View {
  const shown = offInFront(activity, front) ?? viewOf(activity);
  const tooltip = [...shown.tooltip];
  if (around.server !== "") tooltip.push(around.server);
  if (!around.isTrusted) {
    tooltip.push("Restricted Mode: the Python of this workspace is not run until you trust it.");
  }
  return { ...shown, tooltip: [...tooltip, "Click for the menu."] };
}

function offInFront(activity: Activity, front: Front): View | undefined {
  const isWorking = activity.kind === "running" && activity.status?.state !== "error";
  if (!isWorking) return undefined;
  switch (front.off) {
    case "everywhere":
      return off("dsc-lsp is switched off.");
    case "language":
      return off(`dsc-lsp is switched off for ${front.language}.`);
    case "elsewhere":
      return off(`No suggestions here: ${front.scheme}: is not on the machine where dsc-lsp runs.`);
    default:
      return undefined;
  }
}

function viewOf(activity: Activity): View {
  switch (activity.kind) {
    case "stopped":
      return off("dsc-lsp is stopped.");
    case "searching":
      return busy("dsc", "Looking for dsc-lsp.");
    case "installing":
      return busy(`dsc: installing${percentage(activity.percent)}`, activity.message);
    case "starting":
      return busy("dsc", activity.isAgain ? "dsc-lsp ended; starting it again." : "Starting dsc-lsp.");
    case "failed":
      return error(activity.problem.text);
    case "running":
      return viewOfServer(activity.status);
  }
}

function viewOfServer(status: ServerStatus | undefined): View {
  switch (status?.state) {
    case undefined: // a server that does not tell
      return { kind: "ready", text: "$(sparkle) dsc", tooltip: ["dsc-lsp is running."] };
    case "loading":
      return busy(`dsc: loading${percentage(status.percent)}`, status.message);
    case "off":
      return off(status.message);
    case "error":
      return error(status.message);
    case "thinking":
      return busy(shortName(status.model), `${status.model} is thinking.`);
    case "ready":
      return {
        kind: "ready",
        text: `$(sparkle) ${shortName(status.model)}${latency(status.milliseconds)}`,
        tooltip: [
          `The model is ${status.model}.`,
          ...(status.message === "" ? [] : [status.message]),
          ...(status.milliseconds === null
            ? []
            : [`Its last suggestion took ${status.milliseconds} ms.`]),
        ],
      };
  }
}

function busy(text: string, tooltip: string): View {
  return { kind: "busy", text: `$(loading~spin) ${text}`, tooltip: [tooltip] };
}

function off(tooltip: string): View {
  return { kind: "off", text: "$(circle-slash) dsc", tooltip: [tooltip] };
}

function error(tooltip: string): View {
  return { kind: "error", text: "$(error) dsc", tooltip: [tooltip] };
}

/** `deepseek-ai/deepseek-coder-6.7b-base` is `deepseek-coder-6.7b-base` in the status bar. */
function shortName(model: string | null): string {
  return model?.split("/").at(-1) ?? "dsc";
}

function latency(milliseconds: number | null): string {
  return milliseconds === null ? "" : ` ${milliseconds} ms`;
}

function percentage(percent: number | undefined): string {
  return percent === undefined ? "" : ` ${Math.round(percent)} %`;
}
