/* Two selects and a button that lead to the page of a pair. Without this script there is the list of all pairs. */
(() => {
  "use strict";

  function go(form) {
    const slugs = [...form.querySelectorAll("select")].map((select) => select.value);
    if (slugs.every(Boolean) && slugs[0] !== slugs[1]) location.assign(`${form.dataset.pairs}/${slugs.sort().join("-vs-")}.html`);
  }

  rt.onPage(() => {
    for (const form of document.querySelectorAll("form.rt-pair-chooser")) {
      form.reset(); // a browser keeps what was chosen before the reader came back
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        go(form);
      });
    }
  });
})();
