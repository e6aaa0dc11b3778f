/* What every page needs, and what the other scripts build on: when a page begins, the state that a reader gave it,
   and paper.

   The address is the only place of that state. A script writes a value with `rt.keep` and renders from `rt.asked` in
   the function that it gave to `rt.onAddress`, which runs for every page and whenever the address changes: by a choice,
   by a link inside the page, by Back and Forward. A value that the address does not have means the default. */
window.rt = (() => {
  "use strict";

  const begun = [];
  const followers = [];
  let shown = null; // the path of the page that began last
  let content = null; // its element, which instant navigation replaces some time before the next page begins

  const pathOf = ({ pathname }) => pathname.replace(/\/index\.html$/, "/");
  const asked = (name) => new URL(location.href).searchParams.get(name);
  const follow = () => content?.isConnected && followers.forEach((render) => render());

  /* Write values into the address, by name; `null` removes one. */
  function keep(values) {
    const address = new URL(location.href);
    for (const [name, value] of Object.entries(values)) {
      if (value === null) address.searchParams.delete(name);
      else address.searchParams.set(name, value);
    }
    if (address.href !== location.href) history.replaceState(history.state, "", address);
    follow();
  }

  /* A link to a place in this page keeps the state: also in a new tab, and where it is copied. */
  function carry({ target }) {
    const link = target.closest?.("a[href*='#']");
    if (link && link.origin === location.origin && pathOf(link) === pathOf(location)) link.search = location.search;
  }
  for (const kind of ["click", "auxclick", "contextmenu", "dragstart"]) document.addEventListener(kind, carry, { capture: true });

  /* Back and Forward to another page bring its content later, and with it a new beginning. */
  addEventListener("popstate", () => {
    if (pathOf(location) === shown) follow();
  });

  /* Paper is white: for as long as something is printed, the page has the light palette. Scripts learn of it by an event,
     in which they must be done. Media queries change without `beforeprint` where a tool only shows how it would look. */
  let screenScheme = null;
  function turn(toPaper) {
    if (toPaper === (screenScheme !== null)) return;
    const { body } = document;
    if (toPaper) screenScheme = body.getAttribute("data-md-color-scheme") ?? "default";
    body.setAttribute("data-md-color-scheme", toPaper ? "default" : screenScheme);
    if (!toPaper) screenScheme = null;
    body.classList.toggle("rt-on-paper", toPaper); // what is drawn must have its size before the print style applies
    document.dispatchEvent(new CustomEvent("rt-paper", { detail: toPaper }));
  }
  addEventListener("beforeprint", () => turn(true));
  addEventListener("afterprint", () => turn(false));
  matchMedia("print").addEventListener("change", ({ matches }) => turn(matches));

  /* All scripts and styles have one digest in their names. A page with another one was published after this document
     was loaded, and needs its own scripts. */
  const digest = () => document.querySelector("link[rel=stylesheet][href*='assets/site.']")?.href.match(/site\.(\w+)\.css/)?.[1];
  const loaded = digest();

  function enter() {
    if (digest() !== loaded) {
      location.reload();
      return;
    }
    shown = pathOf(location);
    content = document.querySelector("[data-md-component=container]");
    document.querySelector(".md-search[role=dialog]")?.setAttribute("aria-label", "Search");
    begun.forEach((prepare) => prepare());
    follow();
  }

  function download(name, url) {
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
  }

  /* One value of a saved table (RFC 4180). A spreadsheet would run a text that begins like a formula. */
  function field(value) {
    if (value === null) return "";
    if (typeof value === "number") return String(value);
    return `"${value.replace(/^(?=[=+\-@\t\r])/, "'").replaceAll('"', '""')}"`;
  }

  /* The chosen rows for programs: plain numbers, one a cell. With the mark by which spreadsheets know UTF-8. */
  function saveTable(chart) {
    const table = chart.querySelector("table[data-columns]");
    const chosen = [...table.querySelectorAll("tr[data-values]:not([hidden])")];
    const rows = [table.dataset.columns, ...chosen.map((row) => row.dataset.values)].map((row) => JSON.parse(row).map(field).join(","));
    const url = URL.createObjectURL(new Blob([`\ufeff${rows.join("\r\n")}\r\n`], { type: "text/csv;charset=utf-8" }));
    download(`${chart.id}.csv`, url);
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  /* What scrolls sideways below its first column. */
  document.addEventListener("scroll", ({ target }) => target.classList?.toggle("rt-scrolled", target.scrollLeft > 0), { capture: true, passive: true });

  /* From a folder there is no instant navigation, and Material's stream of pages ends before the first one. */
  if (location.protocol === "file:") addEventListener("DOMContentLoaded", enter);
  else document$.subscribe(enter);

  return {
    asked,
    keep,
    onPage: (prepare) => begun.push(prepare),
    onAddress: (render) => followers.push(render),
    download,
    saveTable,
  };
})();
