// The settings of a room: a slider with its value, a choice of models, a row of chips.

import { h, id } from "../dom.js";

/** A labelled slider; `value` is read and set as a number, `oninput` is told of each change. */
export function slider({ label, min, max, step, value, text = (number) => String(number), oninput }) {
  const field = h("input", { type: "range", id: id("range"), min, max, step, value });
  const output = h("output", { class: "number", for: field.id });
  const tell = () => {
    output.textContent = text(Number(field.value));
    field.setAttribute("aria-valuetext", output.textContent);
  };
  field.addEventListener("input", () => {
    tell();
    oninput?.(Number(field.value));
  });
  tell();
  return {
    element: h("div", { class: "field" }, h("div", { class: "head" }, h("label", { for: field.id }, label), output), field),
    field,
    get value() {
      return Number(field.value);
    },
    set value(number) {
      field.value = number;
      tell();
    },
  };
}

/** A labelled `select` of [value, text] pairs. */
export function choice({ label, options, value, onchange }) {
  const field = h("select", { id: id("choice") }, options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
  field.addEventListener("change", () => onchange?.(field.value));
  return { element: h("div", { class: "field" }, h("label", { for: field.id }, label), field), field };
}

/** One of several, as a row of chips: `options` are [value, text, picture?]; `image(value)` later gives each its picture. */
export function chips({ label, options, value, onchange }) {
  const name = id("chips");
  const pictures = new Map();
  const set = h(
    "fieldset",
    { class: "field" },
    h("legend", {}, label),
    h(
      "div",
      { class: "chips" },
      options.map(([key, text, pictured]) => {
        const blank = pictured && h("span", { class: "blank" });
        pictures.set(key, blank);
        const field = h("input", { type: "radio", name, value: key, checked: key === value, onchange: () => onchange?.(key) });
        return h("label", { class: "chip" }, field, blank, text);
      }),
    ),
  );
  return {
    element: set,
    get value() {
      return set.querySelector(":checked")?.value ?? "";
    },
    set value(key) {
      const field = [...set.querySelectorAll("input")].find((one) => one.value === key);
      if (field) field.checked = true;
    },
    /** Puts a picture into the chip of a value. */
    picture(key, blob) {
      const image = h("img", { alt: "", src: URL.createObjectURL(blob) });
      pictures.get(key)?.replaceWith(image);
      pictures.set(key, image);
    },
  };
}
