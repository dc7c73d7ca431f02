// Tables that can be sorted, filtered and cut; columns to choose; contents that show where one is; all folds open on paper.
"use strict";
const SHOWN = 40, FILTERED = 12;

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells], rows = table.tBodies[0].rows;
  const scroll = table.closest(".scroll");
  if (rows.length > 1) headings.forEach((heading, column) => sortable(table, headings, heading, column));
  const tools = Object.assign(document.createElement("div"), { className: "tools" });
  if (headings.some((heading) => "extra" in heading.dataset)) tools.append(chooser(table, headings));
  if (rows.length >= FILTERED) tools.append(filter(table));
  if (tools.childElementCount) scroll.before(tools);
  if (rows.length >= 1.5 * SHOWN) scroll.after(more(table, scroll));
  update(table);
}

function button(text, act) {
  const made = Object.assign(document.createElement("button"), { type: "button" });
  made.append(...text);
  made.addEventListener("click", act);
  return made;
}

function sortable(table, headings, heading, column) {
  heading.append(button([...heading.childNodes], () => sort(table, headings, column)));
}

function sort(table, headings, column) {
  const heading = headings[column], numeric = heading.classList.contains("number");
  const before = heading.getAttribute("aria-sort");
  const down = before ? before === "ascending" : numeric;
  const known = [], unknown = [];
  for (const row of table.tBodies[0].rows) ("order" in row.cells[column].dataset ? known : unknown).push(row);
  known.sort((a, b) => compare(a.cells[column].dataset.order, b.cells[column].dataset.order, numeric) * (down ? -1 : 1));
  table.tBodies[0].append(...known, ...unknown);
  headings.forEach((each) => each.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  update(table);
}

function compare(a, b, numeric) {
  return numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
}

function chooser(table, headings) {
  const menu = Object.assign(document.createElement("details"), { className: "chooser" });
  const summary = document.createElement("summary");
  summary.append("Columns");
  menu.append(summary);
  headings.slice(1).forEach((heading, place) => {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: !("extra" in heading.dataset) });
    const label = document.createElement("label");
    label.append(box, ` ${heading.textContent}`);
    const show = () => [...table.rows].forEach((row) => (row.cells[place + 1].hidden = !box.checked));
    box.addEventListener("change", show);
    show();
    menu.append(label);
  });
  return menu;
}

function filter(table) {
  const label = document.createElement("label");
  const box = Object.assign(document.createElement("input"), { type: "search" });
  const count = document.createElement("span");
  count.setAttribute("role", "status");
  label.append("Filter rows ", box, " ", count);
  box.addEventListener("input", () => {
    table.dataset.wanted = box.value.toLowerCase();
    const left = update(table);
    count.textContent = box.value ? `${left} of ${table.tBodies[0].rows.length}` : "";
  });
  return label;
}

function more(table, scroll) {
  table.dataset.cut = "";
  const made = button([`Show all ${table.tBodies[0].rows.length} rows`], () => {
    delete table.dataset.cut;
    update(table);
    made.remove();
    scroll.focus();
  });
  made.className = "more";
  return made;
}

function update(table) {
  const words = (table.dataset.wanted || "").split(" ").filter(Boolean);
  const cut = "cut" in table.dataset && !words.length;
  let left = 0;
  for (const row of table.tBodies[0].rows) {
    const text = words.length ? row.textContent.toLowerCase() : "";
    const wanted = words.every((word) => text.includes(word));
    row.hidden = !wanted || (cut && left >= SHOWN);
    left += wanted;
  }
  return left;
}

const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    links.forEach((link) => link.removeAttribute("aria-current"));
    const link = links.get(entry.target.id);
    link.setAttribute("aria-current", "true");
    link.parentElement.scrollLeft = link.offsetLeft - link.parentElement.clientWidth / 2;
  }
}, { rootMargin: "-20% 0px -70% 0px" });
document.querySelectorAll("main > section").forEach((section) => seen.observe(section));

const closed = [];
window.addEventListener("beforeprint", () => {
  closed.push(...document.querySelectorAll("details:not([open]):not(.chooser)"));
  closed.forEach((fold) => (fold.open = true));
});
window.addEventListener("afterprint", () => closed.splice(0).forEach((fold) => (fold.open = false)));
