// The cards of an answer as a CDS client shows them: summary, Markdown, suggestions, override reasons, links.

import { marked } from "./vendor/marked/marked.esm.js";
import DOMPurify from "./vendor/dompurify/purify.es.mjs";
import { h, sign } from "./dom.js";

const EXPLANATION = "org.anakinra-cds.explanation";
const ALLOWED = {
  ALLOWED_TAGS: ["p", "ul", "ol", "li", "strong", "em", "a", "code", "pre", "br", "h3", "h4", "blockquote", "table", "thead", "tbody", "tr", "th", "td"],
  ALLOWED_ATTR: ["href"],
  ALLOWED_URI_REGEXP: /^https?:/i,
  RETURN_DOM_FRAGMENT: true,
};

export const explained = (card) => card.extension?.[EXPLANATION] ?? {};

/** A fragment of what a card's Markdown says; no markup of the text itself survives but what ALLOWED names. */
export function markdown(text) {
  const fragment = DOMPurify.sanitize(marked.parse(text, { async: false, gfm: true }), ALLOWED);
  for (const link of fragment.querySelectorAll("a")) {
    link.rel = "noreferrer noopener";
    link.target = "_blank";
  }
  return fragment;
}

/** A drawn picture as a fragment. */
export const picture = (svg) =>
  DOMPurify.sanitize(svg, { USE_PROFILES: { svg: true }, FORBID_TAGS: ["style", "image", "a"], FORBID_ATTR: ["style"], RETURN_DOM_FRAGMENT: true });

/**
 * The cards. `on`: {accept(card, suggestion), override(card, reason, comment), why(card)}; `said`: uuid -> what became of
 * a card; `shown`: the uuid of the card whose rule is shown.
 */
export function cardsOf(cards, on, said, shown) {
  return cards.map((card) => cardOf(card, on, said.get(card.uuid), card.uuid === shown));
}

function cardOf(card, on, outcome, shown) {
  const told = explained(card);
  const heading = h("h3", {}, card.summary);
  return h(
    "article",
    { class: `card ${card.indicator}${outcome ? ` ${outcome.kind}` : ""}`, "aria-label": card.summary, "data-decision": told.decision },
    h("p", { class: "indicator" }, sign(card.indicator), card.indicator, h("span", { class: "decision" }, told.decision ?? "")),
    heading,
    card.detail ? h("div", { class: "detail" }, markdown(card.detail)) : null,
    outcome ? h("p", { class: "outcome", role: "status" }, sign(outcome.kind === "accepted" ? "met" : "not-reached"), outcome.words) : null,
    outcome ? null : suggestions(card, on),
    h(
      "footer",
      {},
      h("button", { type: "button", class: "link", "aria-pressed": String(shown), onclick: () => on.why(card) }, "Why this card?"),
      (card.links ?? []).map((link) => h("a", { href: link.url, target: "_blank", rel: "noreferrer noopener" }, link.label)),
      h("span", { class: "source" }, card.source?.label ?? ""),
    ),
    outcome ? null : override(card, on),
  );
}

function suggestions(card, on) {
  if (!card.suggestions?.length) return null;
  return h(
    "div",
    { class: "suggestions", role: "group", "aria-label": card.selectionBehavior === "any" ? "Any of these" : "At most one of these" },
    card.suggestions.map((suggestion) =>
      h(
        "button",
        {
          type: "button",
          class: suggestion.isRecommended ? "primary" : "",
          title: (suggestion.actions ?? []).map((action) => action.description).join("; "),
          onclick: () => on.accept(card, suggestion),
        },
        suggestion.label,
      ),
    ),
  );
}

function override(card, on) {
  if (!card.overrideReasons?.length) return null;
  const comment = h("input", { type: "text", maxlength: "2000", autocomplete: "off" });
  const form = h(
    "form",
    {},
    h(
      "fieldset",
      {},
      h("legend", {}, "Another way than the card says, because"),
      card.overrideReasons.map((reason, number) =>
        h("label", {}, h("input", { type: "radio", name: `reason-${card.uuid}`, value: String(number), required: true }), ` ${reason.display}`),
      ),
    ),
    h("label", { class: "comment" }, "Comment (no names)", comment),
    h("button", { type: "submit" }, "Override"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const number = Number(new FormData(form).get(`reason-${card.uuid}`));
    on.override(card, card.overrideReasons[number], comment.value.trim());
  });
  return h("details", { class: "override" }, h("summary", {}, "Override …"), form);
}
