/* The totals of a dimension by the reader's own weights of its facets: `weights` in the address.
   Without this script the table shows the mean, all facets weighing the same. */
(() => {
  "use strict";

  const DEFAULT = "1";
  let first = []; // the rows in the order in which they were made

  const slidersOf = (fieldset) => [...fieldset.querySelectorAll("input[type=range]")];

  function weigh(table, weights) {
    const rows = first.map((row) => {
      const points = JSON.parse(row.dataset.points);
      // A facet without enough data has no total, unless the reader gives it no weight.
      const lacks = points.some((point, index) => point === null && weights[index] > 0);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const sum = points.reduce((before, point, index) => before + weights[index] * (point ?? 0), 0);
      return { row, mean: lacks || total === 0 ? null : sum / total };
    });
    for (const { row, mean } of rows) {
      const cell = row.querySelector(".rt-mean");
      cell.textContent = mean === null ? "–" : mean.toFixed(2);
      cell.dataset.value = mean ?? "";
    }
    const isEven = new Set(weights).size === 1;
    if (!isEven) rows.sort((a, b) => (b.mean ?? -1) - (a.mean ?? -1));
    table.tBodies[0].append(...rows.map(({ row }) => row));
  }

  function show(fieldset) {
    const sliders = slidersOf(fieldset);
    for (const slider of sliders) slider.nextElementSibling.value = slider.value;
    weigh(document.querySelector("table.rt-weighed"), sliders.map((slider) => Number(slider.value)));
  }

  function keep(fieldset) {
    const values = slidersOf(fieldset).map((slider) => slider.value);
    rt.keep({ weights: values.every((value) => value === DEFAULT) ? null : values.join("-") });
  }

  rt.onPage(() => {
    const fieldset = document.querySelector("fieldset.rt-weights");
    if (!fieldset) return;
    first = [...document.querySelector("table.rt-weighed").tBodies[0].rows];
    for (const slider of slidersOf(fieldset)) {
      slider.addEventListener("input", () => show(fieldset));
      slider.addEventListener("change", () => keep(fieldset)); // once it is let go: browsers limit writing addresses
    }
    fieldset.querySelector(".rt-reset").addEventListener("click", () => rt.keep({ weights: null }));
  });

  rt.onAddress(() => {
    const fieldset = document.querySelector("fieldset.rt-weights");
    if (!fieldset) return;
    const sliders = slidersOf(fieldset);
    const asked = rt.asked("weights")?.split("-") ?? [];
    const isWhole = asked.length === sliders.length && asked.every((value) => /^[0-5]$/.test(value));
    sliders.forEach((slider, index) => {
      slider.value = isWhole ? asked[index] : DEFAULT;
    });
    show(fieldset);
  });
})();
