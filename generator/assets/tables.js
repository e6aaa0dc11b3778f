/* Tables sort by a click or by Enter and Space on a column's head. Without this script they stay in the
   order in which they were made: the best first. */
(() => {
  "use strict";

  function valueOf(row, column) {
    const cell = row.cells[column];
    const raw = cell.dataset.value ?? cell.firstChild?.textContent?.trim() ?? cell.textContent.trim();
    const text = raw || cell.textContent.trim();
    const number = Number.parseFloat(text.replaceAll(",", ""));
    if (/^[–-]?$/.test(text)) return null;
    return cell.classList.contains("rt-num") && !Number.isNaN(number) ? number : text.toLowerCase();
  }

  function sort(table, column, direction) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, value: valueOf(row, column) }));
    rows.sort((a, b) => {
      // What has no figure stays at the end, whichever way the others run.
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
      const order = typeof a.value === "number" && typeof b.value === "number" ? a.value - b.value : String(a.value).localeCompare(String(b.value));
      return direction === "ascending" ? order : -order;
    });
    body.append(...rows.map(({ row }) => row));
  }

  function prepare(table) {
    if (table.dataset.ready) return;
    table.dataset.ready = "yes";
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "rt-sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", next);
        sort(table, column, next);
      });
    });
  }

  const enter = () => document.querySelectorAll("table.rt-sortable").forEach(prepare);
  /* From a folder there is no instant navigation, and Material's stream of pages ends before the first one. */
  if (location.protocol === "file:") enter();
  else document$.subscribe(enter);
})();
