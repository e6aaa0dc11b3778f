/* Which frameworks a page shows: `frameworks` in the address. Rows that name their frameworks follow at once, and
   charts by an event. No figure changes: all are ratios to a fixed reference or stand alone. Without this
   script all frameworks are shown. */
(() => {
  "use strict";

  let applied = null; // what rows and charts of this page show

  /* Whether something that concerns `slugs` is left out. A pair needs both where two or more are chosen; what
     nobody can choose, like the reference, always stays. */
  function rule(choices, chosen) {
    return (slugs) => {
      const known = slugs.filter((slug) => choices.has(slug));
      if (!chosen.size || !known.length) return false;
      return known.filter((slug) => chosen.has(slug)).length < Math.min(known.length, chosen.size);
    };
  }

  function apply(hides) {
    for (const row of document.querySelectorAll("tr[data-frameworks]")) row.hidden = hides(row.dataset.frameworks.split(" "));
    document.dispatchEvent(new CustomEvent("rt-chosen", { detail: hides }));
  }

  /* Who is shown, and of exactly two where they stand side by side. */
  function tell(box, ticked, count) {
    const names = ticked.map((input) => input.parentElement.textContent.trim());
    box.querySelector(".rt-chosen").textContent = names.length ? names.join(", ") : `all ${count}`;
    const pair = box.nextElementSibling;
    pair.hidden = names.length !== 2 || !box.dataset.pairs;
    if (pair.hidden) return;
    const link = pair.querySelector("a");
    link.href = `${box.dataset.pairs}/${ticked.map((input) => input.value).sort().join("-vs-")}.html`;
    link.textContent = `${names.join(" and ")} side by side`;
  }

  function keep(inputs) {
    const slugs = inputs.filter((input) => input.checked).map((input) => input.value);
    rt.keep({ frameworks: slugs.length ? slugs.join(".") : null });
  }

  rt.onPage(() => {
    applied = null;
    const box = document.querySelector(".rt-choose");
    if (!box) return;
    const inputs = [...box.querySelectorAll("input")];
    for (const input of inputs) input.addEventListener("change", () => keep(inputs));
    box.querySelector(".rt-reset").addEventListener("click", () => keep([]));
  });

  rt.onAddress(() => {
    const box = document.querySelector(".rt-choose");
    const inputs = box ? [...box.querySelectorAll("input")] : [];
    const asked = new Set((rt.asked("frameworks") ?? "").split("."));
    for (const input of inputs) input.checked = asked.has(input.value);
    const ticked = inputs.filter((input) => input.checked);
    const chosen = ticked.map((input) => input.value);
    if (chosen.join(".") === applied) return;
    applied = chosen.join(".");
    if (box) tell(box, ticked, inputs.length);
    apply(rule(new Set(inputs.map((input) => input.value)), new Set(chosen)));
  });
})();
