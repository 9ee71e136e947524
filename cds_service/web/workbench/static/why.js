// Why and why not: one rule with every criterion, all rules with what became of them, and what one other value would change.

import { h, sign } from "./dom.js";

const RESULTS = { fires: ["met", "fires"], silent: ["not-reached", "silent"], unknown: ["unknown", "unknown"] };
const PARTS = { when: "When", unless: "Unless one of these is so" };

/** How a criterion is shown: its sign and word. An exception is met where it is not so. */
export function state(line) {
  if (!line.reached) return ["not-reached", "not reached"];
  const [met, not] = line.part === "unless" ? ["is not so", "is so"] : ["met", "not met"];
  return line.met === true ? ["met", met] : line.met === false ? ["not-met", not] : ["unknown", "unknown"];
}

const keyOf = (order, rule, number) => `${order.key} ${rule.id} ${number}`;

/** The criteria and rules that differ between two answers: {lines: Map key -> met before, rules: [{order, rule, before}]}. */
export function flipped(before, after) {
  const old = new Map();
  for (const order of before?.orders ?? []) {
    for (const rule of order.rules) {
      old.set(`${order.key} ${rule.id}`, rule.result);
      rule.lines.forEach((line, number) => old.set(keyOf(order, rule, number), line.met));
    }
  }
  const lines = new Map();
  const rules = [];
  for (const order of before ? after.orders : []) {
    for (const rule of order.rules) {
      let turned = 0;
      rule.lines.forEach((line, number) => {
        const key = keyOf(order, rule, number);
        if (old.has(key) && old.get(key) !== line.met) {
          lines.set(key, old.get(key));
          turned += 1;
        }
      });
      const was = old.get(`${order.key} ${rule.id}`);
      if (turned || (was !== undefined && was !== rule.result)) rules.push({ order, rule, before: was, turned });
    }
  }
  return { lines, rules };
}

/** One rule, whole. `on`: {rule(order, id), resource(reference), assume(name)}. */
export function ruleOf(order, rule, flips, on) {
  const [mark, word] = RESULTS[rule.result];
  return [
    h(
      "header",
      {},
      h("h3", {}, rule.title),
      h(
        "p",
        { class: "facts" },
        h("span", { class: `state ${mark}` }, sign(mark), word),
        rule.decision ? h("span", {}, rule.decision, rule.indicator ? ` (${rule.indicator})` : "") : h("span", {}, "finding"),
        h("a", { href: `knowledge/rules/${rule.id}` }, h("code", {}, rule.id)),
        h("span", {}, `version ${rule.version}`),
      ),
    ),
    h("p", { class: "rationale" }, rule.rationale),
    h("div", { class: "lines" }, parts(order, rule, flips, on)),
  ];
}

function parts(order, rule, flips, on) {
  const rows = rule.lines.map((line, number) => ({ line, number }));
  const made = [];
  const any = rows.filter(({ line }) => line.part === "any");
  for (const part of ["when", "any", "unless"]) {
    if (part === "any") {
      if (any.length) made.push(h("h4", {}, "And one of"), alternatives(order, rule, any, flips, on));
      continue;
    }
    const mine = rows.filter(({ line }) => line.part === part);
    if (mine.length) made.push(h("h4", {}, PARTS[part]), h("ul", {}, mine.map((row) => lineOf(order, rule, row, flips, on))));
  }
  return made;
}

function alternatives(order, rule, rows, flips, on) {
  const groups = Map.groupBy ? Map.groupBy(rows, ({ line }) => line.option ?? 0) : grouped(rows);
  return h(
    "ol",
    { class: "options" },
    [...groups.values()].map((group) => h("li", {}, h("ul", {}, group.map((row) => lineOf(order, rule, row, flips, on))))),
  );
}

function grouped(rows) {
  const groups = new Map();
  for (const row of rows) {
    const option = row.line.option ?? 0;
    groups.set(option, [...(groups.get(option) ?? []), row]);
  }
  return groups;
}

function lineOf(order, rule, { line, number }, flips, on) {
  const [mark, word] = state(line);
  const fact = line.kind === "fact" ? order.facts[line.name] : null;
  const before = flips.lines.get(keyOf(order, rule, number));
  return h(
    "li",
    { class: `line ${mark}` },
    h("span", { class: `state ${mark}` }, sign(mark), word),
    h(
      "div",
      {},
      h("p", {}, fact ? fact.title : link(order, line.name, on), " ", h("code", {}, line.asked)),
      h("p", { class: "found" }, fact ? found(fact) : finding(order, line.name), aside(line)),
      before === undefined ? null : h("p", { class: "flip" }, `Flipped: was ${state({ ...line, reached: true, met: before })[1]}`),
      fact?.from?.length ? sources(fact.from, on) : null,
    ),
    fact ? h("button", { type: "button", class: "link", "aria-label": `What if ${fact.title} were another`, onclick: () => on.assume(line.name, fact) }, "What if") : null,
  );
}

function aside(line) {
  if (line.reached || line.met === null) return null;
  return h("span", { class: "muted" }, ` · it would be: ${state({ ...line, reached: true })[1]}`);
}

function found(fact) {
  if (fact.value === null) return ["Not known: ", fact.why ?? ""];
  const more = [fact.text, fact.asOf ? `as of ${fact.asOf.slice(0, 16).replace("T", " ")} UTC` : ""].filter(Boolean);
  return [h("b", {}, fact.shown), more.length ? h("span", { class: "muted" }, ` · ${more.join(" · ")}`) : null];
}

function finding(order, name) {
  const rule = order.rules.find((each) => each.id === name);
  return rule ? [h("b", {}, { fires: "holds", silent: "does not hold", unknown: "not known" }[rule.result])] : ["not evaluated"];
}

function link(order, name, on) {
  const rule = order.rules.find((each) => each.id === name);
  return rule ? h("button", { type: "button", class: "link", onclick: () => on.rule(order, name) }, rule.title) : name;
}

const MOST = 4;

function sources(references, on) {
  const refer = (reference) => h("button", { type: "button", class: "ref", title: reference, onclick: () => on.resource(reference) }, on.brief(reference));
  const more = references.slice(MOST);
  return h(
    "p",
    { class: "sources" },
    references.slice(0, MOST).map(refer),
    more.length ? h("details", {}, h("summary", {}, `${more.length} more`), more.map(refer)) : null,
  );
}

/** Why a rule did not fire, in a few words: the first criterion that decided it. */
function because(order, rule) {
  const line = rule.lines.find((each) => each.reached && (rule.result === "silent" ? each.met === false : each.met === null));
  if (!line) return "";
  const fact = line.kind === "fact" ? order.facts[line.name] : null;
  const other = order.rules.find((each) => each.id === line.name);
  if (!fact) return `${other?.title ?? line.name}: ${other ? { fires: "holds", silent: "does not hold", unknown: "not known" }[other.result] : ""}`;
  return fact.value === null ? `${fact.title}: not known` : `${fact.title}: ${fact.shown} (asked: ${line.asked})`;
}

/** The list of every rule of an order, those of one result; `shown` is the rule that stands above. */
export function listOf(order, result, words, shown, on) {
  const wanted = words.toLowerCase();
  const rules = order.rules.filter(
    (rule) => (result === "all" || rule.result === result) && `${rule.title} ${rule.id}`.toLowerCase().includes(wanted),
  );
  return rules.map((rule) => {
    const [mark, word] = RESULTS[rule.result];
    return h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "row", "aria-current": rule.id === shown ? "true" : null, onclick: () => on.rule(order, rule.id) },
        h("span", { class: `state ${mark}` }, sign(mark), word),
        h("span", { class: "name" }, rule.title, h("span", { class: "muted" }, rule.result === "fires" ? "" : because(order, rule))),
        h("span", { class: "muted decision" }, rule.decision || "finding"),
      ),
    );
  });
}
