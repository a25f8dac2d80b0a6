// States and tasks in words, and the rooms where one does a task.

/** What a state of the service's means to whoever wants to use the model. */
export const STATES = {
  ready: "ready",
  loading: "on its way",
  unloaded: "asleep: it comes when asked for",
  retired: "taken out of service",
  failing: "failing: its last batches broke",
  failed: "can't be served",
};

const TASKS = {
  generate: ["drawing pictures from nothing but a seed", [["Draw", "generate"], ["Walk", "walk"]]],
  reconstruct: ["giving a picture back through a small code", [["Reconstruct", "restore", { tab: "reconstruct" }]]],
  translate: ["turning a picture of labels into one that looks like a photo", [["Translate", "translate", { do: "picture" }]]],
  style: ["painting a picture anew in another manner", [["Restyle", "translate", { do: "style" }]]],
  enhance: ["taking noise out of recorded speech", [["Clean speech", "restore", { tab: "enhance" }]]],
  predict: ["continuing a row of frames", [["Predict", "restore", { tab: "predict" }]]],
};

/** What a model is for, in a sentence. */
export function purpose(model) {
  const told = model.tasks.map((task) => TASKS[task]?.[0] ?? task);
  const classes = model.classes?.length ? `, of ${model.classes.length} classes: ${model.classes.join(", ")}` : "";
  const styles = model.styles && Object.keys(model.styles).length ? `: ${(Array.isArray(model.styles) ? model.styles : Object.keys(model.styles)).join(", ")}` : "";
  return `It is made for ${told.join(", and for ")}${classes}${styles}.`;
}

/** The rooms where a model does something: [what, address]. */
export function rooms(model) {
  const found = model.tasks.flatMap((task) => TASKS[task]?.[1] ?? []);
  return found.map(([text, room, where]) => [text, `#/${room}?${new URLSearchParams({ ...where, model: model.name })}`]);
}
