/** The menu behind the status bar item: what can be done now, the remedies first. */

import type { Activity, Front } from "./status";
import type { Remedy } from "./problems";

export interface MenuItem {
  readonly label: string;
  readonly detail?: string;
  readonly command: string;
  readonly args?: readonly unknown[];
}

/** Return the menu's items for what goes on. */
export function menuItems(activity: Activity, front: Front): readonly MenuItem[] {
  return [...remedies(activity), ...switches(front), ...ALWAYS];
}

const ALWAYS: readonly MenuItem[] = [
  { label: "$(chip) Choose a Model…", command: "dsc-lsp.chooseModel" },
  {
    label: "$(question) Why No Suggestion Here?",
    command: "dsc-lsp.explain",
  },
  { label: "$(graph) Statistics", command: "dsc-lsp.statistics" },
  { label: "$(pulse) Run Doctor", command: "dsc-lsp.doctor" },
  { label: "$(output) Show Log", command: "dsc-lsp.showLog" },
  { label: "$(debug-restart) Restart", command: "dsc-lsp.restart" },
  {
    label: "$(gear) Settings",
    command: "workbench.action.openSettings",
    args: ["@ext:dsc-lsp.dsc-lsp"],
  },
];

const ICONS: Readonly<Record<string, string>> = {
  "dsc-lsp.install": "$(desktop-download)",
  "workbench.trust.manage": "$(shield)",
};

function remedies(activity: Activity): readonly MenuItem[] {
  if (activity.kind === "running" && activity.status?.state === "error") {
    return [messageItem(activity.status.message, { title: "Choose a Model…", command: "dsc-lsp.chooseModel" })];
  }
  if (activity.kind !== "failed") return [];
  const always = new Set(ALWAYS.map(({ command }) => command));
  const { text, remedies: offered } = activity.problem;
  return offered
    .filter(({ command, args }) => !always.has(command) || args !== undefined)
    .map((remedy, index) => (index === 0 ? messageItem(text, remedy) : itemOf(remedy)));
}

function messageItem(text: string, remedy: Remedy): MenuItem {
  return { ...itemOf(remedy), detail: text };
}

function itemOf({ title, command, args }: Remedy): MenuItem {
  const item = { label: `${ICONS[command] ?? "$(wrench)"} ${title}`, command };
  return args === undefined ? item : { ...item, args };
}

function switches(front: Front): readonly MenuItem[] {
  const everywhere = {
    label: front.off === "everywhere" ? "$(play) Enable" : "$(circle-slash) Disable",
    command: "dsc-lsp.toggle",
  };
  if (front.language === undefined || front.off === "everywhere" || front.off === "elsewhere") {
    return [everywhere];
  }
  const language = {
    label:
      front.off === "language"
        ? `$(play) Enable for ${front.language}`
        : `$(circle-slash) Disable for ${front.language}`,
    command: "dsc-lsp.toggleLanguage",
  };
  return [language, everywhere];
}
