"use strict";
(() => {
  const box = document.getElementById("find");
  if (!box) return;
  const field = box.querySelector("input");
  const told = box.querySelector("output");
  const sections = [...document.querySelectorAll("section[data-found]")].map((section) => ({
    section,
    items: [...section.querySelectorAll("[data-words]")].map((item) => ({
      item,
      text: `${item.textContent} ${item.dataset.words || ""}`.toLowerCase(),
    })),
  }));
  const filter = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { section, items } of sections) {
      let here = 0;
      for (const { item, text } of items) {
        item.hidden = !words.every((word) => text.includes(word));
        here += !item.hidden;
      }
      section.hidden = !here;
      count += here;
    }
    told.textContent = words.length ? `${count} found` : "";
  };
  field.addEventListener("input", filter);
  box.hidden = false;
  filter();
})();
