// Elements and their text: nothing here makes markup of a text.

/** An element: `h("button", {class: "quiet", onclick: f}, "Text", another)`. Children that are null are left out. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const $ = (id) => document.getElementById(id);

/** A row of buttons of which one is pressed. `options`: [[value, label, title]]. */
export function segments(holder, options, chosen, choose) {
  holder.replaceChildren(
    ...options.map(([value, label, title]) =>
      h("button", { type: "button", title, "aria-pressed": String(value === chosen), onclick: () => choose(value) }, label),
    ),
  );
}

/** The options of a select: [[value, label]]. */
export function options(select, rows, chosen) {
  select.replaceChildren(...rows.map(([value, label]) => h("option", { value, selected: value === chosen }, label)));
}

const SYMBOLS = {
  info: "M8 7.2v4M8 4.6v.2M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z",
  warning: "M8 6.2v3.4M8 11.6v.2M8 1.8 1.2 14h13.6z",
  critical: "M5.4 1.5h5.2l3.9 3.9v5.2l-3.9 3.9H5.4l-3.9-3.9V5.4zM8 4.8v4M8 11v.2",
  met: "M3 8.6 6.4 12 13 4.6",
  "not-met": "M4 4l8 8M12 4l-8 8",
  unknown: "M5.6 6a2.4 2.4 0 1 1 3.4 2.2c-.7.4-1 .8-1 1.6M8 12.4v.2",
  "not-reached": "M3.5 8h9",
  back: "M9.5 3.5 5 8l4.5 4.5",
};

/** A drawn sign of 16 by 16, hidden from screen readers: words say the same beside it. */
export function sign(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "sign");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SYMBOLS[name]);
  svg.append(path);
  return svg;
}
