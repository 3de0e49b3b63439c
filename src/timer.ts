/** Waiting, handed in: tests let the time pass by themselves. */
export interface Timer {
  /** Runs `work` after so long, unless it is cancelled. */
  after(ms: number, work: () => void): { cancel(): void };
}

export const realTimer: Timer = {
  after: (ms, work) => {
    const timer = setTimeout(work, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};

export const pause = (timer: Timer, ms: number): Promise<void> =>
  new Promise((resolve) => void timer.after(ms, resolve));
