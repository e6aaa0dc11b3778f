/* Under which setting the tables of a page are shown: `python`, `topology` and `broker` in the address. Each table has a
   block for every setting in which it was measured; the first is the default. Rows name their broker. Without this
   script the defaults are shown. */
(() => {
  "use strict";

  const selects = () => [...document.querySelectorAll(".rt-settings select")];

  /* The block of a table for what is asked; what is not asked is as in its first block. */
  function show(table, asked) {
    const blocks = [...table.children].filter((one) => one.dataset.python);
    const [usual] = blocks;
    const wanted = (name) => asked[name] || usual.dataset[name];
    const chosen = blocks.find(({ dataset }) => dataset.python === wanted("python") && dataset.topology === wanted("topology"));
    for (const block of blocks) block.hidden = block !== chosen;
    table.lastElementChild.hidden = chosen !== undefined;
  }

  rt.onPage(() => {
    for (const select of selects()) select.addEventListener("change", () => rt.keep({ [select.name]: select.value || null }));
  });

  rt.onAddress(() => {
    const asked = {};
    for (const select of selects()) {
      const value = rt.asked(select.name);
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
      asked[select.name] = select.value;
    }
    for (const table of document.querySelectorAll(".rt-settings-of")) show(table, asked);
    for (const row of document.querySelectorAll("tr[data-broker]"))
      row.classList.toggle("rt-off", Boolean(asked.broker) && row.dataset.broker !== asked.broker && !row.matches(".rt-reference"));
  });
})();
