// The address of the room.

/** Writes what the room is set to into the address, so that it can be linked, without entering it anew. */
export function noted(settings) {
  const given = Object.entries(settings).filter(([, value]) => value !== null && value !== "");
  history.replaceState(null, "", `#/translate?${new URLSearchParams(given)}`);
}
