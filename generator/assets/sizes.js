/* Which size of a test is shown: the one that the address leads into; the one that was shown before, if it leads elsewhere
   in the page; else the first. Without this script CSS shows what the address leads into, else the first. */
(() => {
  "use strict";

  let kept = null; // the anchor of the size that was shown last; instant navigation may fetch the same page again

  const anchorOf = (size) => size.querySelector("h2").id;

  function show(hash) {
    const place = document.getElementById(hash.slice(1));
    for (const box of document.querySelectorAll(".rt-sizes")) {
      const sizes = [...box.querySelectorAll(":scope > .rt-size")];
      const before = sizes.find((size) => place && anchorOf(size) === kept);
      const shown = sizes.find((size) => size.contains(place)) ?? before ?? sizes[0];
      const links = box.querySelectorAll(".rt-size-tabs a");
      sizes.forEach((size, index) => {
        size.classList.toggle("rt-shown", size === shown);
        if (size === shown) links[index]?.setAttribute("aria-current", "true");
        else links[index]?.removeAttribute("aria-current");
      });
      kept = anchorOf(shown);
    }
  }

  /* What a link in the page leads into must be there when the browser goes to it. */
  document.addEventListener(
    "click",
    (event) => {
      const link = event.target.closest?.("a[href*='#']");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (link.origin === location.origin && link.pathname === location.pathname) show(link.hash);
    },
    { capture: true },
  );
  addEventListener("hashchange", () => show(location.hash));

  rt.onAddress(() => show(location.hash));
  rt.onPage(() => {
    // Instant navigation would fetch the page again.
    for (const tabs of document.querySelectorAll(".rt-size-tabs")) tabs.addEventListener("click", (event) => event.stopPropagation());
  });
})();
