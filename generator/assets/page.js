/* What every page needs, and what the other scripts build on: when a page begins, the state that a reader gave it,
   and paper.

   The address is the only place of that state. A script writes a value with `rt.keep` and renders from `rt.asked` in
   the function that it gave to `rt.onAddress`, which runs for every page and whenever the address changes: by a choice,
   by a link inside the page, by Back and Forward. A value that the address does not have means the default. */
window.rt = (() => {
  "use strict";

  const DAY_MS = 86_400_000;
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
    document.dispatchEvent(new CustomEvent("rt-paper", { detail: toPaper }));
  }
  addEventListener("beforeprint", () => turn(true));
  addEventListener("afterprint", () => turn(false));
  matchMedia("print").addEventListener("change", ({ matches }) => turn(matches));

  /* All scripts and styles have one digest in their names. A page with another one was published after this document
     was loaded, and needs its own scripts. */
  const digest = () => document.querySelector("link[rel=stylesheet][href*='assets/extra.']")?.href.match(/extra\.(\w+)\.css/)?.[1];
  const loaded = digest();

  function enter() {
    if (digest() !== loaded) {
      location.reload();
      return;
    }
    shown = pathOf(location);
    content = document.querySelector("[data-md-component=container]");
    document.querySelector(".md-search[role=dialog]")?.setAttribute("aria-label", "Search");
    for (const time of document.querySelectorAll("time.rt-date:not([data-ready])")) {
      time.dataset.ready = "yes";
      const days = Math.floor((Date.now() - Date.parse(time.dateTime)) / DAY_MS);
      if (days >= 1) time.append(` (${days === 1 ? "yesterday" : `${days} days ago`})`);
    }
    begun.forEach((prepare) => prepare());
    follow();
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
  };
})();
