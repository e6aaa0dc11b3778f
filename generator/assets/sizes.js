/* Marks the tab of the size of a test that is shown. CSS decides from the address which one that is: the size that it
   leads into; the one that was shown before, if it leads elsewhere in the page; else the first. */
(() => {
  "use strict";

  let changes = null;
  let kept = null; // the anchor of the size that was shown last; instant navigation may fetch the same page again

  function mark() {
    for (const box of document.querySelectorAll(".rt-sizes")) {
      const sizes = [...box.querySelectorAll(":scope > .rt-size")];
      const shown = sizes.filter((size) => size.getClientRects().length);
      if (shown.length !== 1) continue; // paper has all of them
      kept = shown[0].querySelector("h2").id;
      const links = box.querySelectorAll(".rt-size-tabs a");
      sizes.forEach((size, index) => {
        size.classList.toggle("rt-kept", size === shown[0]);
        if (size === shown[0]) links[index]?.setAttribute("aria-current", "true");
        else links[index]?.removeAttribute("aria-current");
      });
    }
  }

  rt.onPage(() => {
    changes?.disconnect();
    changes = new ResizeObserver(mark);
    for (const size of document.querySelectorAll(".rt-size")) {
      size.classList.toggle("rt-kept", size.querySelector("h2").id === kept);
      changes.observe(size);
    }
    // A link in the page, which instant navigation would fetch again.
    for (const tabs of document.querySelectorAll(".rt-size-tabs")) tabs.addEventListener("click", (event) => event.stopPropagation());
    mark();
  });
})();
