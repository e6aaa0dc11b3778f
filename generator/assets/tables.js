/* Tables sort by a click or by Enter and Space on a column's head; the last one is kept in the address, as
   number of the table, column and direction. Without this script they stay in the order in which they were
   made: the best first. */
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
      // Rows without a value stay at the end, in either direction.
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
      const order = typeof a.value === "number" && typeof b.value === "number" ? a.value - b.value : String(a.value).localeCompare(String(b.value));
      return direction === "ascending" ? order : -order;
    });
    body.append(...rows.map(({ row }) => row));
  }

  const nameOf = (head) =>
    (head.querySelector(".rt-sort") ?? head).firstChild.textContent.trim().toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");

  function order(table, column, direction) {
    const heads = table.tHead.rows[0].cells;
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[column].setAttribute("aria-sort", direction);
    sort(table, column, direction);
  }

  function keep(number, head, direction) {
    const address = new URL(location.href);
    address.searchParams.set("sort", `${number}.${nameOf(head)}.${direction}`);
    history.replaceState(history.state, "", address);
  }

  function prepare(table, number) {
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
        order(table, column, next);
        keep(number, head, next);
      });
    });
  }

  function restore(tables) {
    const [number, name, direction] = (new URL(location.href).searchParams.get("sort") ?? "").split(".");
    const table = tables[Number.parseInt(number, 10)];
    if (!table || !["ascending", "descending"].includes(direction)) return;
    const column = [...table.tHead.rows[0].cells].findIndex((head) => nameOf(head) === name);
    if (column >= 0) order(table, column, direction);
  }

  function enter() {
    const tables = [...document.querySelectorAll("table.rt-sortable")];
    tables.forEach(prepare);
    restore(tables);
  }

  /* From a folder there is no instant navigation, and Material's stream of pages ends before the first one. */
  if (location.protocol === "file:") enter();
  else document$.subscribe(enter);
})();
