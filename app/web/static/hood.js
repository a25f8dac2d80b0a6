export function show() { return () => undefined; }
