/** dsc-lsp in a real VS Code: what its users see and do. */

import { describe } from "node:test";

import { models } from "./models";
import { reports } from "./reports";
import { server } from "./server";
import { sharedWindow } from "./sharedWindow";
import { suggestions } from "./suggestions";
import { switches } from "./switches";

describe("in one window, with a server that always says `answer`", () => {
  const window = sharedWindow();
  suggestions(window);
  server(window);
  switches(window);
  models(window);
  reports(window);
});
