/* Tables sort by a click or by Enter and Space on a column's head: `sort` in the address, for each sorted table its
   number, the name of its column, and the direction. Without this script they stay in the order in which they were
   made: the best first. */
(() => {
  "use strict";

  const byName = new Intl.Collator("en", { numeric: true });
  const firstOrder = new WeakMap(); // table -> its rows as they were made
  const tables = () => [...document.querySelectorAll("table.rt-sortable")];
  const headsOf = (table) => [...table.tHead.rows[0].cells];

  /* The key that the page gives, else the text: one or several numbers, or a text; `null` for no value. */
  function keyOf(row, column) {
    const cell = row.cells[column];
    const text = (cell.dataset.value ?? cell.textContent).trim();
    if (/^[–-]?$/.test(text)) return null;
    const numbers = text.split(" ").map(Number);
    return cell.dataset.value !== undefined && !numbers.some(Number.isNaN) ? numbers : text.toLowerCase();
  }

  /* Numbers before texts; of several numbers the first that differs decides. */
  function compare(a, b) {
    if (!Array.isArray(a) && !Array.isArray(b)) return byName.compare(a, b);
    if (!Array.isArray(a) || !Array.isArray(b)) return Array.isArray(a) ? -1 : 1;
    const place = a.findIndex((value, index) => value !== b[index]);
    return place < 0 ? a.length - b.length : place < b.length ? a[place] - b[place] : 1;
  }

  function sorted(rows, column, direction) {
    const keyed = rows.map((row) => ({ row, key: keyOf(row, column) }));
    keyed.sort((a, b) => {
      // Rows without a value stay at the end, in either direction.
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
      return (direction === "ascending" ? 1 : -1) * compare(a.key, b.key);
    });
    return keyed.map(({ row }) => row);
  }

  const slugOf = (text) => text.trim().toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  const titleOf = (head) => (head.querySelector(".rt-sort") ?? head).firstChild.textContent;

  /* Each head by its title, and by its note too where several have that title. */
  function namesOf(table) {
    const titles = headsOf(table).map((head) => slugOf(titleOf(head)));
    const isAlone = (title) => titles.indexOf(title) === titles.lastIndexOf(title);
    return headsOf(table).map((head, index) => {
      const note = head.querySelector("small")?.textContent ?? "";
      return isAlone(titles[index]) ? titles[index] : slugOf(`${titles[index]} ${note}`);
    });
  }

  /* By number of the table: column and direction. */
  function orders() {
    const all = tables();
    const found = new Map();
    for (const one of (rt.asked("sort") ?? "").split("_")) {
      const [number, name, direction] = one.split(".");
      const table = all[Number.parseInt(number, 10)];
      if (!table || !["ascending", "descending"].includes(direction)) continue;
      const column = namesOf(table).indexOf(slugOf(name));
      if (column >= 0) found.set(Number.parseInt(number, 10), { column, name: namesOf(table)[column], direction });
    }
    return found;
  }

  function press(table, head, column) {
    const number = tables().indexOf(table);
    const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    const all = orders();
    all.delete(number);
    all.set(number, { name: namesOf(table)[column], direction });
    rt.keep({ sort: [...all].map(([place, one]) => `${place}.${one.name}.${one.direction}`).join("_") });
  }

  const narrow = matchMedia("screen and (max-width: 44.9375em)");
  const ROLES = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", "thead th": "columnheader", "tbody th": "rowheader", td: "cell" };

  /* Where a table is laid out as cards, some browsers forget what it is. */
  function sayRoles() {
    if (!narrow.matches) return;
    for (const table of document.querySelectorAll("table.rt-stack:not([role])"))
      for (const [kind, role] of Object.entries(ROLES))
        for (const one of kind === "table" ? [table] : table.querySelectorAll(kind)) one.setAttribute("role", role);
  }
  narrow.addEventListener("change", sayRoles);

  /* On a phone rows are cards, and of many the first ones in the reader's order are enough until they ask for all. */
  function offerAll(table) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "rt-more-rows";
    button.textContent = `Show all ${table.tBodies[0].rows.length}`;
    button.addEventListener("click", () => {
      table.classList.remove("rt-short", "rt-shorter");
      button.remove();
    });
    table.parentElement.after(button);
  }

  rt.onPage(() => {
    sayRoles();
    for (const table of tables()) {
      if (table.matches(".rt-short")) offerAll(table);
      firstOrder.set(table, [...table.tBodies[0].rows]);
      headsOf(table).forEach((head, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "rt-sort";
        button.append(...head.childNodes);
        head.append(button);
        button.addEventListener("click", () => press(table, head, column));
      });
    }
  });

  rt.onAddress(() => {
    const all = orders();
    tables().forEach((table, number) => {
      const order = all.get(number);
      const isSorted = headsOf(table).some((head) => head.hasAttribute("aria-sort"));
      if (!order && !isSorted) return; // other scripts may have put the rows in an order of theirs
      headsOf(table).forEach((head, column) => {
        if (order?.column === column) head.setAttribute("aria-sort", order.direction);
        else head.removeAttribute("aria-sort");
      });
      const body = table.tBodies[0];
      const rows = order ? sorted(firstOrder.get(table), order.column, order.direction) : firstOrder.get(table);
      if (order || !table.matches(".rt-weighed")) body.append(...rows);
    });
  });

  /* Wide tables are put below themselves on paper, each value with the name of its column. */
  document.addEventListener("rt-paper", ({ detail: isOnPaper }) => {
    if (!isOnPaper) return;
    for (const table of document.querySelectorAll(".rt-table:has(thead)")) {
      const titles = headsOf(table).map((head) => {
        const note = head.querySelector("small")?.textContent;
        return note ? `${titleOf(head).trim()} (${note})` : titleOf(head).trim();
      });
      for (const row of table.tBodies[0].rows)
        [...row.cells].forEach((cell, column) => {
          if (column) cell.dataset.label ??= titles[column];
        });
    }
  });
})();
