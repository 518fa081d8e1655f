/** The setting `dsc.languages`: a switch per language, and `*` for all that are not named. */

export type Switches = Readonly<Record<string, boolean>>;

export function languageIsOn(switches: Switches, language: string): boolean {
  return switches[language] ?? switches["*"] ?? true;
}

/** Return the switches with one of them set. */
export function withLanguage(switches: Switches, language: string, isOn: boolean): Switches {
  return { ...switches, [language]: isOn };
}
