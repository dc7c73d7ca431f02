for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    if ("fixed" in heading.dataset || table.tBodies[0].rows.length < 2) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sort(table, headings, column));
  });
}

function sort(table, headings, column) {
  const heading = headings[column];
  const numeric = heading.classList.contains("number");
  const before = heading.getAttribute("aria-sort");
  const down = before ? before === "ascending" : numeric;
  const known = [], unknown = [];
  for (const row of table.tBodies[0].rows) ("order" in row.cells[column].dataset ? known : unknown).push(row);
  known.sort((a, b) => compare(a.cells[column].dataset.order, b.cells[column].dataset.order, numeric) * (down ? -1 : 1));
  table.tBodies[0].append(...known, ...unknown);
  fold(table);
  headings.forEach((each) => each.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
}

function compare(a, b, numeric) {
  return numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
}

const SHOWN = 40;

for (const table of document.querySelectorAll("table.sortable")) {
  const rows = table.tBodies[0].rows.length;
  if (rows < 1.5 * SHOWN) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "more";
  button.textContent = `Show all ${rows} rows`;
  button.addEventListener("click", () => {
    delete table.dataset.folded;
    fold(table);
    button.remove();
    table.closest(".scroll").focus();
  });
  table.dataset.folded = "";
  fold(table);
  table.closest(".scroll").after(button);
}

function fold(table) {
  [...table.tBodies[0].rows].forEach((row, place) => (row.hidden = "folded" in table.dataset && place >= SHOWN));
}
