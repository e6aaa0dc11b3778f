/* The points of a dimension by the reader's own weights. They are kept in the address, so that a link keeps them.
   Without this script the table shows the mean, all criteria weighing the same. */
(() => {
  "use strict";

  function weigh(table, weights) {
    const rows = [...table.tBodies[0].rows].map((row) => {
      const points = JSON.parse(row.dataset.points);
      let sum = 0;
      let total = 0;
      points.forEach((point, index) => {
        if (point === null) return;
        sum += weights[index] * point;
        total += weights[index];
      });
      return { row, mean: total > 0 ? sum / total : null };
    });
    for (const { row, mean } of rows) {
      row.querySelector(".rt-mean").textContent = mean === null ? "–" : mean.toFixed(2);
    }
    rows.sort((a, b) => (b.mean ?? -1) - (a.mean ?? -1));
    table.tBodies[0].append(...rows.map(({ row }) => row));
  }

  function prepare(fieldset) {
    if (fieldset.dataset.ready) return;
    fieldset.dataset.ready = "yes";
    const table = document.querySelector("table.rt-weighed");
    const sliders = [...fieldset.querySelectorAll("input[type=range]")];
    const show = () => {
      for (const slider of sliders) slider.nextElementSibling.value = slider.value;
      weigh(table, sliders.map((slider) => Number(slider.value)));
    };
    const keep = () => {
      const address = new URL(location.href);
      if (sliders.every((slider) => slider.value === "1")) address.searchParams.delete("weights");
      else address.searchParams.set("weights", sliders.map((slider) => slider.value).join("-"));
      history.replaceState(history.state, "", address);
    };
    const asked = new URL(location.href).searchParams.get("weights")?.split("-") ?? [];
    if (asked.length === sliders.length) {
      sliders.forEach((slider, index) => {
        if (/^[0-5]$/.test(asked[index])) slider.value = asked[index];
      });
      show();
    }
    for (const slider of sliders) slider.addEventListener("input", () => { show(); keep(); });
    fieldset.querySelector(".rt-reset").addEventListener("click", () => {
      for (const slider of sliders) slider.value = "1";
      show();
      keep();
    });
    fieldset.hidden = false;
  }

  const enter = () => document.querySelectorAll("fieldset.rt-weights").forEach(prepare);
  /* From a folder there is no instant navigation, and Material's stream of pages ends before the first one. */
  if (location.protocol === "file:") enter();
  else document$.subscribe(enter);
})();
