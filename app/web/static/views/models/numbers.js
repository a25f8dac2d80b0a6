// What was measured of a model, beside what it must be compared with: a table, and lines where one measure is taken often.

import { h } from "../../dom.js";
import { dots, lines, short } from "../../ui/chart.js";

/** "squared error, step 3" and "STOI at 5 dB" are points of one line each. */
const STEP = /^(.+?)(?:, step | at )(-?[\d.]+)( dB)?$/;
const BETTER = [
  [/distance closed/, "more is better"],
  [/distance|error|\bL1\b|moved/, "less is better"],
  [/precision|recall|density|coverage|accuracy|SSIM|PSNR|STOI|PESQ|SI-SDR|success/, "more is better"],
];

/** The section's content for a manifest's `metrics`. */
export function numbers(metrics) {
  const runs = new Map();
  for (const metric of metrics) {
    const [, stem, at, unit] = STEP.exec(metric.name) ?? [];
    if (stem) runs.set(stem, [...(runs.get(stem) ?? []), { metric, at: Number(at), unit }]);
  }
  const drawn = [...runs].filter(([, points]) => points.length > 2);
  const inLines = new Set(drawn.flatMap(([, points]) => points.map(({ metric }) => metric)));
  const single = metrics.filter((metric) => !inLines.has(metric));
  const protocols = [...new Set(metrics.map((metric) => metric.protocol))];
  return [
    drawn.length && h("div", { class: "charts" }, drawn.map(([stem, points]) => line(stem, points))),
    drawn.length && h("details", {}, h("summary", {}, "The same as a table"), table([...inLines])),
    single.length && table(single),
    h("details", {}, h("summary", {}, "How it was measured"), h("ul", { class: "small" }, protocols.map((one) => h("li", {}, one)))),
  ].filter(Boolean);
}

function line(stem, points) {
  const names = [...new Set(points.flatMap(({ metric }) => Object.keys(metric.others)))];
  const beside = names.map((name) => [name, points.filter(({ metric }) => name in metric.others).map(({ metric, at }) => [at, metric.others[name]])]);
  const series = [["this model", points.map(({ metric, at }) => [at, metric.value])], ...beside];
  return lines({ title: stem, series, x: points[0].unit ? "decibels of speech over noise" : "steps ahead", y: better(stem), even: true });
}

function better(name) {
  return BETTER.find(([pattern]) => pattern.test(name))?.[1] ?? "";
}

function table(metrics) {
  const floors = metrics.some((metric) => metric.floor !== null);
  const others = metrics.some((metric) => Object.keys(metric.others).length);
  return h(
    "table",
    { class: "numbers" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "measure"), h("th", { scope: "col", class: "of own" }, "this model"), floors && h("th", { scope: "col", class: "of floor" }, "real data"), others && h("th", { scope: "col", class: "of other" }, "beside"))),
    h("tbody", {}, metrics.map((metric) => row(metric, floors, others))),
  );
}

function row(metric, floors, others) {
  const beside = Object.entries(metric.others).sort(([, one], [, other]) => one - other);
  const [name, on] = metric.name.split(/ (?=on |by )/);
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, name, h("span", { class: "small faint" }, [better(metric.name), on].filter(Boolean).join(" · ")), dots(metric)),
    h("td", { class: "number own" }, short(metric.value)),
    floors && h("td", { class: "number" }, metric.floor === null ? "–" : short(metric.floor)),
    others && h("td", { class: "small beside" }, beside.map(([other, value]) => h("div", {}, h("span", {}, other), h("span", { class: "number" }, short(value))))),
  );
}
