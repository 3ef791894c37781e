// Runs `act` at once, then four times a second at most, and never twice at a time.

const PAUSE = 250; // milliseconds

export function coalesced(act) {
  let wanted = false;
  let running = false;
  async function run() {
    running = true;
    try {
      while (wanted) {
        wanted = false;
        await act();
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    } finally {
      running = false;
    }
  }
  return () => {
    wanted = true;
    if (!running) run();
  };
}
