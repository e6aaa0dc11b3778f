/* Draws the charts: loads Plotly only when one comes near the viewport, follows the colour scheme, and
   clears up when instant navigation leaves the page. Without this script the tables remain. */
(() => {
  "use strict";
  const source = new URL("vendor/plotly-basic-4.1.1.min.js", document.currentScript.src).href;
  const narrow = matchMedia("screen and (max-width: 44.9375em)");
  let loading = null;
  let near = null;
  let ahead = "0px"; // how far below the screen a chart is drawn
  let sizes = null;
  let hides = () => false; // whether the reader left out something that concerns these frameworks
  const drawn = new Map(); // plot element -> its figure as staged

  function load() {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = () => {
        keepStyle();
        resolve(window.Plotly);
      };
      script.onerror = () => {
        loading = null; // the next chart tries again
        reject(new Error(`cannot load ${source}`));
      };
      document.head.append(script);
    });
    return loading;
  }

  /* As `load`, but done when it returns. */
  function loadAtOnce() {
    if (window.Plotly || location.protocol === "file:") return;
    const request = new XMLHttpRequest();
    request.open("GET", source, false);
    request.send();
    if (!request.responseText || request.status >= 400) return;
    const script = document.createElement("script");
    script.textContent = request.responseText;
    document.head.append(script);
    keepStyle();
    loading = Promise.resolve(window.Plotly);
  }

  /* Plotly puts its rules into a style element in the head, which instant navigation clears away. */
  function keepStyle() {
    const given = document.getElementById("plotly.js-style-global");
    if (!given) return;
    const kept = document.createElement("style");
    kept.textContent = [...given.sheet.cssRules].map((rule) => rule.cssText).join("\n");
    document.body.append(kept);
  }

  const isDark = () => document.body.getAttribute("data-md-color-scheme") === "slate";

  function recoloured(value, map) {
    if (typeof value === "string") return map[value] ?? value;
    if (Array.isArray(value)) return value.map((item) => recoloured(item, map));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, recoloured(item, map)]));
    return value;
  }

  function axis(given, colours) {
    return {
      ...given,
      automargin: true,
      tickangle: 0,
      gridcolor: colours.grid,
      linecolor: colours.line,
      zerolinecolor: colours.line,
      tickcolor: colours.line,
      title: { ...given?.title, standoff: 8, font: { size: 12, color: colours.soft } },
      tickfont: { size: 12, color: colours.text },
    };
  }

  /* Of every list in a trace that has an entry per point, the entries of the kept points. */
  function pick(value, kept) {
    if (Array.isArray(value)) return value.length === kept.length ? value.filter((_, index) => kept[index]) : value;
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, pick(item, kept)]));
    return value;
  }

  /* A figure with only what the reader chose: lines go, rows close up, and the axis of the figures stays. */
  function narrowed(figure) {
    const shows = figure.frameworks.map((slug) => !hides([slug]));
    if (shows.every(Boolean)) return figure;
    const layout = structuredClone(figure.layout);
    if (!figure.row_px[0]) {
      const data = figure.data.filter((_, index) => shows[index]);
      // Who was chosen is not hidden because there are many.
      return { ...figure, layout, data: data.map(({ visible, ...trace }) => trace) };
    }
    const places = new Map();
    shows.forEach((shown, index) => shown && places.set(index, places.size));
    const data = figure.data.map((trace) => {
      // A gap in a line belongs to the row before it.
      const kept = trace.y.map((place, index) => places.has(place ?? trace.y[index - 1]));
      const rest = pick(trace, kept);
      rest.y = rest.y.map((place) => (place === null ? null : places.get(place)));
      return rest;
    });
    layout.yaxis.ticktext = layout.yaxis.ticktext.filter((_, index) => shows[index]);
    layout.yaxis.tickvals = [...places.values()];
    layout.yaxis.range = [places.size - 0.4, -0.6];
    return { ...figure, layout, data };
  }

  /* Of a logarithmic axis as many numbers as have room: all of 1, 2 and 5, or powers of ten, or some of these; two at
     least, which Plotly finds where the axis is too short for ours. */
  function thin(given, most) {
    if (given.type !== "log" || !given.range || !given.tickvals) return;
    const [low, high] = given.range;
    const powers = given.tickvals.map((value) => Math.log10(value));
    const crowds = (kept) => kept.some((index, place) => place && powers[index] - powers[kept[place - 1]] < (high - low) / most);
    const some = (kept) => (crowds(kept) ? some(kept.filter((_, place) => place % 2 === 0)) : kept);
    const inside = [...powers.keys()].filter((index) => powers[index] >= low && powers[index] <= high);
    const tens = inside.filter((index) => Math.abs(powers[index] - Math.round(powers[index])) < 1e-9);
    const kept = [crowds(inside) ? [] : inside, some(tens), some(inside)].find((found) => found.length > 1);
    for (const name of ["tickvals", "ticktext"]) {
      if (kept) given[name] = kept.map((index) => given[name][index]);
      else delete given[name];
    }
    if (!kept) given.nticks = 4;
  }

  function themed(whole) {
    const figure = narrowed(whole);
    const style = getComputedStyle(document.body);
    const colour = (name) => style.getPropertyValue(name).trim();
    const colours = { text: colour("--rt-text"), soft: colour("--rt-soft"), grid: colour("--rt-grid"), line: colour("--rt-line") };
    const data = isDark() ? recoloured(figure.data, figure.dark) : structuredClone(figure.data);
    for (const trace of data)
      for (const bars of [trace.error_x, trace.error_y]) if (bars) bars.color = colours.text;
    // Without a transition: Plotly cannot move hatched bars, and gives up the whole chart.
    const layout = structuredClone(figure.layout);
    if (narrow.matches && layout.yaxis.ticktext)
      layout.yaxis.ticktext = layout.yaxis.ticktext.map((text) => text.replace(" · ", "<br>"));
    if (narrow.matches && layout.xaxis.range && data.some((trace) => trace.mode === "text")) {
      // Words beside the bars take a larger share of a small plot; most of it where they tell both ends.
      const [low, high] = layout.xaxis.range;
      layout.xaxis.range = [low, low + (high - low) * (layout.xaxis.type === "log" ? 1.5 : 1.15)];
      layout.xaxis.nticks = 4;
    }
    if (narrow.matches && layout.xaxis.type === "date") layout.xaxis.nticks = 4;
    thin(layout.xaxis, narrow.matches ? 5 : figure.row_px[0] ? 14 : 19); // names of rows leave less width
    Object.assign(layout, {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: style.fontFamily, color: colours.text, size: 12 },
      xaxis: axis(layout.xaxis, colours),
      yaxis: axis(layout.yaxis, colours),
      hoverlabel: { bgcolor: colour("--rt-raised"), bordercolor: colours.line, font: { color: colours.text, family: style.fontFamily } },
      legend: { orientation: "h", x: 0, xanchor: "left", y: -0.16, yanchor: "top", entrywidth: narrow.matches ? 0.99 : 0.48, entrywidthmode: "fraction", font: { size: 12 } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colours.soft, activecolor: colours.text },
    });
    return { data, layout };
  }

  /* A row left out takes its height along. */
  function fit(plot, figure) {
    const left = figure.frameworks.filter((slug) => hides([slug])).length;
    ["--h", "--h-narrow"].forEach((name, index) => {
      plot.dataset[`full${index}`] ??= plot.style.getPropertyValue(name);
      plot.style.setProperty(name, `calc(${plot.dataset[`full${index}`]} - ${left * figure.row_px[index]}px)`);
    });
    return left < figure.frameworks.length;
  }

  function options() {
    return {
      displaylogo: false,
      showSendToCloud: false,
      responsive: true,
      displayModeBar: narrow.matches ? false : "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d", "toImage"],
    };
  }

  /* With a pause the page answers between two charts; paper does not wait for that. */
  async function draw(plot, pause = true) {
    let figure = drawn.get(plot);
    if (!figure) {
      figure = JSON.parse(plot.parentElement.querySelector("template").content.textContent);
      drawn.set(plot, figure);
    }
    try {
      const Plotly = await load();
      if (pause) await new Promise((resolve) => setTimeout(resolve));
      if (!plot.isConnected) return;
      if (fit(plot, figure)) {
        if (!plot.data) plot.replaceChildren();
        const { data, layout } = themed(figure);
        await Plotly.react(plot, data, layout, options());
      } else {
        Plotly.purge(plot);
        plot.textContent = "None of the chosen frameworks has a value here.";
      }
      plot.dataset.drawn = isDark() ? "dark" : "light";
      sizes?.observe(plot);
    } catch (error) {
      drawn.delete(plot);
      plot.textContent = "The chart cannot be drawn; the table below lists its values.";
      console.error(error);
    }
  }

  /* The chart as it is seen, on a background and with its title, so that the picture stands alone. */
  async function saveImage(chart, format) {
    const plot = chart.querySelector(".rt-plot");
    await draw(plot);
    const { data, layout } = themed(drawn.get(plot));
    const [finding, measure] = [...chart.querySelectorAll("figcaption strong, .rt-measure")].map((one) => one.textContent);
    const background = getComputedStyle(document.body).getPropertyValue("--md-default-bg-color").trim();
    Object.assign(layout, {
      paper_bgcolor: background,
      plot_bgcolor: background,
      title: {
        text: `${finding}<br><span style="font-size:12px">${measure}</span>`,
        font: { size: 16 },
        x: 0.01,
        xanchor: "left",
      },
      margin: { ...layout.margin, t: 64 },
    });
    const size = { width: plot.clientWidth, height: plot.clientHeight + 56, scale: format === "png" ? 2 : 1 };
    rt.download(`${chart.id}.${format}`, await window.Plotly.toImage({ data, layout }, { format, ...size }));
  }

  function save(event) {
    const format = event.target.dataset.format;
    if (!format || format === "link") return; // share.js copies the link
    const chart = event.target.closest(".rt-chart");
    if (format === "csv") rt.saveTable(chart);
    else saveImage(chart, format);
  }

  function redraw() {
    for (const plot of drawn.keys()) draw(plot);
  }

  function leave() {
    near?.disconnect();
    sizes?.disconnect();
    for (const plot of drawn.keys()) window.Plotly?.purge(plot);
    drawn.clear();
  }

  function watch() {
    near?.disconnect();
    near = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries)
          if (isIntersecting) {
            near.unobserve(target);
            draw(target);
          }
      },
      { rootMargin: ahead },
    );
    for (const plot of document.querySelectorAll(".rt-plot")) if (!drawn.has(plot)) near.observe(plot);
  }

  /* Who reads the first screen alone need not load Plotly; who scrolls finds the next chart drawn already. */
  function lookAhead() {
    ahead = "400px";
    watch();
  }

  rt.onPage(() => {
    leave();
    sizes = new ResizeObserver((entries) => {
      for (const { target } of entries)
        if (target.dataset.drawn && target.offsetParent !== null) window.Plotly.Plots.resize(target);
    });
    watch();
    for (const tools of document.querySelectorAll(".rt-chart:not(.rt-drawn) .rt-save")) tools.addEventListener("click", save);
    // There it costs nothing, and scripts cannot read files when something is printed.
    if (location.protocol === "file:" && document.querySelector(".rt-plot")) load().catch(console.error);
  });

  new MutationObserver(redraw).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
  narrow.addEventListener("change", redraw);
  addEventListener("scroll", lookAhead, { once: true, passive: true });
  document.addEventListener("rt-chosen", ({ detail }) => {
    hides = detail;
    redraw();
  });
  /* Paper shows every chart, not only those that were scrolled to, and waits for no file. */
  document.addEventListener("rt-paper", ({ detail: isOnPaper }) => {
    const plots = [...document.querySelectorAll(".rt-plot")].filter((plot) => plot.dataset.drawn !== "light");
    if (isOnPaper && plots.length) loadAtOnce();
    for (const plot of plots) if (isOnPaper || drawn.has(plot)) draw(plot, !isOnPaper);
  });
})();
