// What if: values of facts in place of what the chart says, and what they turn round.

import { h } from "./dom.js";

/** A control for the value of a fact; `change(value)` is told the value, null for unknown. */
function control(name, fact, value, change) {
  const id = `assume-${name}`;
  if (fact.type === "boolean" || fact.values?.length) {
    const rows = fact.type === "boolean" ? [["true", "yes"], ["false", "no"]] : fact.values.map((each) => [each, each]);
    const select = h(
      "select",
      { id, onchange: () => change(select.value === "" ? null : fact.type === "boolean" ? select.value === "true" : select.value) },
      [...rows, ["", "not known"]].map(([key, label]) => h("option", { value: key, selected: key === (value === null ? "" : String(value)) }, label)),
    );
    return select;
  }
  const number = fact.type === "integer" || fact.type === "number";
  const input = h("input", {
    id,
    type: number ? "number" : "text",
    min: number ? "0" : null,
    step: fact.type === "integer" ? "1" : "any",
    value: value === null ? "" : String(value),
    placeholder: "not known",
    oninput: () => input.reportValidity() && change(input.value === "" ? null : number ? Number(input.value) : input.value),
  });
  return h("span", { class: "unit" }, input, fact.unit && !fact.unit.startsWith("{") ? ` ${fact.unit}` : null);
}

/** The first guess at another value: the other of two, one more, or not known. */
export function other(fact) {
  if (fact.type === "boolean") return fact.value === null ? true : !fact.value;
  if (fact.type === "integer") return fact.value === null ? 0 : fact.value + 1;
  if (fact.values?.length) return fact.values.find((each) => each !== fact.value) ?? null;
  return fact.value === null ? 0 : null;
}

/** The editor of what is assumed: `chosen` is a Map of name -> {fact, value}. */
export function editor(chosen, change, drop, reset) {
  return [
    h("div", { class: "head" }, h("h3", {}, "What if"), h("button", { type: "button", class: "quiet", onclick: reset }, "Back to the chart")),
    ...[...chosen].map(([name, { fact, value }]) =>
      h(
        "p",
        { class: "assumed" },
        h("label", { for: `assume-${name}` }, fact.title, " were"),
        control(name, fact, value, (next) => change(name, next)),
        h("span", { class: "muted" }, `in the chart: ${fact.value === null ? "not known" : fact.shown}`),
        chosen.size > 1 ? h("button", { type: "button", class: "link", onclick: () => drop(name) }, "Leave out") : null,
      ),
    ),
    h("p", { class: "muted" }, "Only this changes: facts that are made of it stay as the chart has them."),
    h("div", { class: "turned", "aria-live": "polite" }),
  ];
}

/** What turned round: the first card before and after, and each rule with a flipped criterion. */
export function turned(before, after, flips, on) {
  const first = (answer) => {
    const card = answer?.cards[0];
    return card ? `${card.extension?.["org.anakinra-cds.explanation"]?.decision ?? ""}: ${card.summary}` : "no card";
  };
  const same = first(before) === first(after);
  const count = flips.lines.size;
  const row = ({ order, rule, before: was }) =>
    h(
      "li",
      {},
      h("button", { type: "button", class: "link", onclick: () => on.rule(order, rule.id) }, rule.title),
      was === rule.result ? null : h("span", {}, ` ${was} → `, h("b", {}, rule.result)),
    );
  const moved = flips.rules.filter(({ rule, before: was }) => was !== rule.result);
  const still = flips.rules.filter(({ rule, before: was }) => was === rule.result);
  return [
    h("p", { class: "verdict" }, same ? "The first card stays the same." : ["The first card was ", h("s", {}, first(before)), " and is ", h("b", {}, first(after))]),
    h("p", {}, count ? `${count} ${count === 1 ? "criterion flips" : "criteria flip"}; ${moved.length} ${moved.length === 1 ? "rule turns" : "rules turn"}.` : "No criterion flips."),
    moved.length ? h("ul", {}, moved.map(row)) : "",
    still.length ? h("details", {}, h("summary", {}, `${still.length} with a flipped criterion that stay as they are`), h("ul", {}, still.map(row))) : "",
  ];
}
