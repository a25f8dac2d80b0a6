// The labels of facades as the CMP database colours them, and a facade to begin with.

/** Names and colours of the twelve labels, measured in the pictures that the shipped model was trained on. */
export const LABELS = [
  ["background", [0, 0, 222]],
  ["wall", [0, 48, 255]],
  ["window", [0, 128, 255]],
  ["door", [0, 208, 255]],
  ["cornice", [32, 255, 224]],
  ["sill", [112, 254, 142]],
  ["balcony", [192, 255, 63]],
  ["blind", [255, 240, 0]],
  ["decoration", [255, 159, 0]],
  ["molding", [255, 80, 0]],
  ["pillar", [254, 0, 0]],
  ["shop", [174, 0, 0]],
];

/** The number of a label by its name. */
export const label = (name) => LABELS.findIndex(([one]) => one === name);

/** The number of the label whose colour is nearest to this one. */
export function nearest(red, green, blue) {
  let best = 0;
  let least = Infinity;
  for (const [at, [, [r, g, b]]] of LABELS.entries()) {
    const far = (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2;
    if (far < least) [best, least] = [at, far];
  }
  return best;
}

/**
 * A house as rectangles [label, left, top, right, bottom] of a square of `side`; `random()` draws how it is built.
 *
 * Floors between moldings, windows with cornices and sills in bays, balconies in some, a shop or doors at the street.
 */
export function facade(side, random) {
  const between = (low, high) => Math.round(low + random() * (high - low));
  const floors = between(2, 4);
  const bays = between(3, 6);
  const roof = side * (0.06 + random() * 0.08);
  const street = side * (0.72 + random() * 0.06);
  const margin = random() < 0.5 ? 0 : side * 0.07;
  const built = [["wall", margin, roof, side - margin, side], ["molding", margin, roof, side - margin, roof + side * 0.045]];
  const height = (street - roof - side * 0.05) / floors;
  const width = (side - 2 * margin) / bays;
  const balconies = between(0, floors - 1);
  const shuttered = random() < 0.4;
  for (let floor = 0; floor < floors; floor += 1) {
    const top = roof + side * 0.05 + floor * height;
    if (floor) built.push(["molding", margin, top, side - margin, top + side * 0.018]);
    for (let bay = 0; bay < bays; bay += 1) {
      const left = margin + bay * width;
      const [near, far] = [left + width * 0.3, left + width * 0.7];
      if (shuttered) built.push(["blind", left + width * 0.16, top + height * 0.24, left + width * 0.84, top + height * 0.8]);
      built.push(["window", near, top + height * 0.24, far, top + height * 0.8]);
      if (floor === balconies && bay % 2) built.push(["balcony", left + width * 0.12, top + height * 0.6, left + width * 0.88, top + height * 0.9]);
      else built.push(["sill", near - width * 0.06, top + height * 0.8, far + width * 0.06, top + height * 0.88]);
      built.push(["cornice", near - width * 0.06, top + height * 0.13, far + width * 0.06, top + height * 0.22]);
    }
  }
  built.push(["molding", margin, street, side - margin, street + side * 0.035]);
  const door = between(0, bays - 1);
  for (let bay = 0; bay < bays; bay += 1) {
    const left = margin + bay * width;
    built.push([bay === door ? "door" : "shop", left + width * 0.18, street + side * 0.08, left + width * 0.82, bay === door ? side * 0.985 : side * 0.95]);
  }
  return built.map(([name, ...corners]) => [label(name), ...corners.map(Math.round)]);
}
