/* What every page needs: each date with how long ago it was, which a page cannot know before it is read, and a name for
   the search dialog, which the theme leaves without. */
(() => {
  "use strict";

  const DAY_MS = 86_400_000;

  function enter() {
    document.querySelector(".md-search[role=dialog]")?.setAttribute("aria-label", "Search");
    for (const time of document.querySelectorAll("time.rt-date:not([data-ready])")) {
      time.dataset.ready = "yes";
      const days = Math.floor((Date.now() - Date.parse(time.dateTime)) / DAY_MS);
      if (days >= 1) time.append(` (${days === 1 ? "yesterday" : `${days} days ago`})`);
    }
  }

  /* What scrolls sideways below its first column. */
  document.addEventListener("scroll", ({ target }) => target.classList?.toggle("rt-scrolled", target.scrollLeft > 0), { capture: true, passive: true });

  /* From a folder there is no instant navigation, and Material's stream of pages ends before the first one. */
  if (location.protocol === "file:") enter();
  else document$.subscribe(enter);
})();
