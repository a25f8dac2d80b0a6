// Small charts as SVG: lines over a row of points, and numbers on one axis. What they show stands in words beside them.

import { h } from "../dom.js";

const WIDTH = 320;
const HEIGHT = 150;
const LEFT = 46;
const FOOT = 24;
const TOP = 10;

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat());
  return element;
}

/** A number with as many digits as one reads. */
export function short(number) {
  const size = Math.abs(number);
  if (size >= 10_000) return Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(number);
  return String(Number(number.toPrecision(size >= 1000 ? 4 : 3)));
}

/**
 * Lines, the first of them the one that matters: `series` are [name, [[x, y], …]]; equal steps of x where `even`.
 *
 * `mark` is a point of x to point out, as [x, words].
 */
export function lines({ title, series, x, y, even = false, mark = null }) {
  const all = series.flatMap(([, points]) => points);
  const places = [...new Set(all.map(([at]) => at))].sort((one, other) => one - other);
  const [low, high] = [Math.min(0, ...all.map(([, value]) => value)), Math.max(...all.map(([, value]) => value)) || 1];
  const across = (at) => LEFT + (WIDTH - LEFT - 12) * (even ? places.indexOf(at) / Math.max(1, places.length - 1) : (at - places[0]) / (places.at(-1) - places[0] || 1));
  const up = (value) => HEIGHT - FOOT - (HEIGHT - FOOT - TOP) * ((value - low) / (high - low));
  const ticks = even && places.length <= 10 ? places : [places[0], places.at(-1)];
  const text = (attributes, words) => svg("text", attributes, words);
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${series.map(([name, points]) => `${name} from ${short(points[0][1])} to ${short(points.at(-1)[1])}`).join(", ")}` },
    [low, (low + high) / 2, high].map((value) => [
      svg("path", { class: "grid", d: `M${LEFT} ${up(value)}H${WIDTH - 8}` }),
      text({ x: LEFT - 6, y: up(value) + 4, "text-anchor": "end" }, short(Math.abs(value) < (high - low) / 500 ? 0 : value)),
    ]).flat(),
    ticks.map((at) => text({ x: across(at), y: HEIGHT - 8, "text-anchor": at === places.at(-1) && !even ? "end" : "middle" }, short(at))),
    mark ? [svg("path", { class: "mark", d: `M${across(mark[0])} ${TOP}V${HEIGHT - FOOT}` })] : [],
    [...series].reverse().map(([name, points], back) => {
      const line = svg("g", { class: `line s${series.length - 1 - back}` }, svg("path", { d: `M${points.map(([at, value]) => `${across(at).toFixed(1)} ${up(value).toFixed(1)}`).join("L")}` }));
      if (points.length <= 20) line.append(...points.map(([at, value]) => svg("circle", { cx: across(at), cy: up(value), r: 3 }, svg("title", {}, `${name}: ${short(value)} at ${short(at)}`))));
      return line;
    }),
  );
  const key = series.length > 1 && series.map(([name], at) => h("li", { class: `s${at}` }, name));
  return h("figure", { class: "chart" }, h("figcaption", {}, h("strong", {}, title), ` ${y}`), picture, h("p", { class: "small faint axis" }, mark ? `${x}; ${mark[1]}` : x), key && h("ul", { class: "key small" }, key));
}

/** One measure on its own axis from 0: what the model reaches, and what it must be compared with. */
export function dots({ value, floor, others }) {
  const beside = Object.entries(others);
  const all = [0, value, ...(floor === null ? [] : [floor]), ...beside.map(([, one]) => one)];
  const [low, high] = [Math.min(...all), Math.max(...all) || 1];
  const at = (one) => 6 + 188 * ((one - low) / (high - low || 1));
  return svg(
    "svg",
    { viewBox: "0 0 200 16", class: "dots", "aria-hidden": "true" },
    svg("path", { class: "grid", d: "M6 8H194" }),
    beside.map(([name, one]) => svg("circle", { class: "other", cx: at(one), cy: 8, r: 3.5 }, svg("title", {}, `${name}: ${short(one)}`))),
    floor === null ? [] : [svg("path", { class: "floor", d: `M${at(floor)} 1V15` }, svg("title", {}, `real data against real data: ${short(floor)}`))],
    svg("circle", { class: "own", cx: at(value), cy: 8, r: 5 }, svg("title", {}, `the model: ${short(value)}`)),
  );
}
