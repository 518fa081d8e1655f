/** When a server that has crashed is started again. */

const MOST_CRASHES = 5;
const WITHIN_MILLISECONDS = 3 * 60_000;

/** Remembers when the server crashed; a machine that swaps must not be made to load a model forever. */
export class Crashes {
  private times: number[] = [];

  /** Note a crash; false if the server shall be left alone. */
  mayRestart(now: number): boolean {
    this.times = [...this.times.filter((time) => now - time < WITHIN_MILLISECONDS), now];
    return this.times.length < MOST_CRASHES;
  }

  forget(): void {
    this.times = [];
  }
}
