// The newest of what is wanted, one request at a time: for whatever follows a pointer.

import { fail } from "../status.js";

/** Milliseconds that a request may still take once something newer is wanted. */
const PATIENCE = 250;

/**
 * `want(value)` has `make(value, signal)` called, as soon as the call before has ended, with the newest value alone. One
 * that is stale is aborted after a moment, here and on the server; failures are told. `stop()` aborts and forgets.
 */
export function latest(make) {
  let work = null;
  let next = null;
  let timer = 0;

  async function run(value) {
    const mine = (work = new AbortController());
    try {
      await make(value, mine.signal);
    } catch (error) {
      if (!mine.signal.aborted) fail(error);
    }
    clearTimeout(timer);
    work = null;
    const [after] = next ?? [];
    if (!next) return;
    next = null;
    run(after);
  }

  return {
    want(value) {
      if (!work) {
        run(value);
        return;
      }
      if (!next) timer = setTimeout(() => work?.abort(), PATIENCE);
      next = [value];
    },
    stop() {
      next = null;
      clearTimeout(timer);
      work?.abort();
    },
  };
}
