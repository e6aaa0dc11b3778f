/* What a load takes of each framework: the dials stand in the address by their values, what a unit costs in the page.
   Without this script the table is that of the first values. */
(() => {
  "use strict";

  const product = (names, values) => names.reduce((before, name) => before * values[name], 1);
  const total = (terms, values) => terms.reduce((sum, { factor, dials }) => sum + factor * product(dials, values), 0);

  /* The measurement whose size is nearest by its ratio; of two, the smaller. */
  function nearest(costs, size) {
    const distance = (cost) => Math.abs(Math.log(cost.size / size));
    return costs.reduce((best, cost) => (distance(best) <= distance(cost) ? best : cost));
  }

  /* What the values of the dials take of one framework, as `generator.comparison.load_models` says it. */
  function estimate(model, one, values) {
    const size = model.size ? values[model.size] : 1;
    const cost = nearest(one.costs, size);
    const scale = total(model.terms, values) / 1e6;
    const ratio = size / cost.size;
    return {
      cost,
      cores: scale * cost.cpu_us,
      ends: cost.interval?.map((end) => scale * end),
      mb: one.kb_per_client === null ? null : (values[model.clients] * one.kb_per_client) / 1000,
      far: Boolean(model.size) && (ratio > model.farthest || ratio < 1 / model.farthest),
    };
  }

  /* With two digits that say something. */
  function significant(value) {
    if (value === 0) return "0";
    const rounded = Number(value.toPrecision(2));
    const decimals = Math.max(0, 1 - Math.floor(Math.log10(rounded)));
    return rounded.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  }

  const inCores = (cores) => (cores < 1 ? `${significant(100 * cores)}\u00a0% of a core` : `${significant(cores)}\u00a0cores`);
  /* Both ends, with one unit if they have the same. */
  function between(low, high) {
    const [number, unit] = low.split("\u00a0");
    return high.endsWith(`\u00a0${unit}`) ? `${number} to ${high}` : `${low} to ${high}`;
  }

  const inBytes = (mb) => (mb === null ? "–" : mb < 1000 ? `${significant(mb)}\u00a0MB` : `${significant(mb / 1000)}\u00a0GB`);
  const told = (value) => value.toLocaleString("en", { maximumSignificantDigits: 6 });

  const formOf = () => document.querySelector("form.rt-load");
  const modelOf = () => JSON.parse(document.querySelector("template.rt-load-data").content.querySelector("script").textContent);
  const chosen = (form, model) => Object.fromEntries(model.dials.map(({ name, steps }) => [name, steps[Number(form.elements[name].value)]]));

  function show(form, model) {
    const values = chosen(form, model);
    for (const { name } of model.dials) {
      const input = form.elements[name];
      input.nextElementSibling.value = told(values[name]);
      input.setAttribute("aria-valuetext", told(values[name]));
    }
    document.querySelector(".rt-load-units").textContent = significant(total(model.terms, values));
    const body = document.querySelector(".rt-load-table").tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, ...estimate(model, model.frameworks[row.dataset.frameworks], values) }));
    const most = Math.max(...rows.map(({ cores }) => cores));
    for (const { row, cost, cores, ends, mb, far } of rows) {
      const cell = row.querySelector(".rt-load-cpu");
      cell.firstElementChild.textContent = inCores(cores);
      cell.lastElementChild.style.setProperty("--share", most ? cores / most : 0);
      row.querySelector(".rt-load-interval").textContent = ends ? between(...ends.map(inCores)) : "–";
      const memory = row.querySelector(".rt-load-memory"); // none where nobody has a value
      if (memory) memory.textContent = inBytes(mb);
      const from = row.querySelector(".rt-load-from a");
      from.href = from.getAttribute("href").replace(/[^/]*$/, `${cost.workload}.html#${cost.anchor}`);
      if (model.size) from.textContent = `${told(cost.size)} ${model.size_in_words}`;
      row.querySelector(".rt-load-far").hidden = !far;
    }
    rows.sort((a, b) => ("flagged" in a.row.dataset) - ("flagged" in b.row.dataset) || a.cores - b.cores);
    body.append(...rows.map(({ row }) => row));
  }

  rt.onPage(() => {
    const form = formOf();
    if (!form) return;
    const model = modelOf();
    for (const input of form.querySelectorAll("input")) {
      input.addEventListener("input", () => show(form, model));
      // Once it is let go: browsers limit how often the address is written.
      input.addEventListener("change", () => {
        const dial = model.dials.find(({ name }) => name === input.name);
        const value = dial.steps[Number(input.value)];
        rt.keep({ [dial.name]: value === dial.usual ? null : String(value) });
      });
    }
  });

  rt.onAddress(() => {
    const form = formOf();
    if (!form) return;
    const model = modelOf();
    for (const { name, steps, usual } of model.dials) {
      const asked = rt.asked(name);
      const place = asked === null ? -1 : steps.indexOf(Number(asked));
      form.elements[name].value = place < 0 ? steps.indexOf(usual) : place;
    }
    show(form, model);
  });
})();
