/* Draws the charts: loads Plotly only when one comes near the viewport, follows the colour scheme, and
   clears up when instant navigation leaves the page. Without this script the tables remain. */
(() => {
  "use strict";
  const source = new URL("vendor/plotly-basic-4.1.1.min.js", document.currentScript.src).href;
  const narrow = matchMedia("(max-width: 44.9375em)");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let loading = null;
  let near = null;
  let sizes = null;
  const drawn = new Map(); // plot element -> its figure as staged

  function load() {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = () => {
        keepStyle();
        resolve(window.Plotly);
      };
      script.onerror = () => reject(new Error(`cannot load ${source}`));
      document.head.append(script);
    });
    return loading;
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

  function themed(figure) {
    const style = getComputedStyle(document.body);
    const colour = (name) => style.getPropertyValue(name).trim();
    const colours = { text: colour("--rt-text"), soft: colour("--rt-soft"), grid: colour("--rt-grid"), line: colour("--rt-line") };
    const data = isDark() ? recoloured(figure.data, figure.dark) : structuredClone(figure.data);
    for (const trace of data)
      for (const bars of [trace.error_x, trace.error_y]) if (bars) bars.color = colours.text;
    const layout = structuredClone(figure.layout);
    if (narrow.matches && layout.yaxis.ticktext)
      layout.yaxis.ticktext = layout.yaxis.ticktext.map((text) => text.replace(" · ", "<br>"));
    if (narrow.matches && layout.xaxis.ticktext) layout.xaxis.ticktext[0] = "";
    if (narrow.matches && layout.xaxis.range) {
      // Values beside the bars take a larger share of a small plot.
      layout.xaxis.range[1] *= 1.15;
      layout.xaxis.nticks = 4;
    }
    Object.assign(layout, {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: style.fontFamily, color: colours.text, size: 12 },
      xaxis: axis(layout.xaxis, colours),
      yaxis: axis(layout.yaxis, colours),
      hoverlabel: { bgcolor: colour("--rt-raised"), bordercolor: colours.line, font: { color: colours.text, family: style.fontFamily } },
      legend: { orientation: "h", x: 0, xanchor: "left", y: -0.16, yanchor: "top", entrywidth: narrow.matches ? 0.99 : 0.48, entrywidthmode: "fraction", font: { size: 12 } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colours.soft, activecolor: colours.text },
      transition: { duration: still.matches ? 0 : 150 },
    });
    return { data, layout };
  }

  function options() {
    return {
      displaylogo: false,
      showSendToCloud: false,
      responsive: true,
      displayModeBar: narrow.matches ? false : "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
      toImageButtonOptions: { format: "svg", filename: "rtsite" },
    };
  }

  async function draw(plot) {
    let figure = drawn.get(plot);
    if (!figure) {
      figure = JSON.parse(plot.parentElement.querySelector("template").content.textContent);
      drawn.set(plot, figure);
    }
    try {
      const Plotly = await load();
      if (!plot.isConnected) return;
      const { data, layout } = themed(figure);
      await Plotly.react(plot, data, layout, options());
      plot.dataset.drawn = isDark() ? "dark" : "light";
      sizes?.observe(plot);
    } catch (error) {
      drawn.delete(plot);
      plot.textContent = "The chart cannot be drawn; the table below holds its figures.";
      console.error(error);
    }
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

  function enter() {
    leave();
    sizes = new ResizeObserver((entries) => {
      for (const { target } of entries)
        if (target.dataset.drawn && target.offsetParent !== null) window.Plotly.Plots.resize(target);
    });
    near = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries)
          if (isIntersecting) {
            near.unobserve(target);
            draw(target);
          }
      },
      { rootMargin: "400px" },
    );
    for (const plot of document.querySelectorAll(".rt-plot")) near.observe(plot);
  }

  new MutationObserver(redraw).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
  narrow.addEventListener("change", redraw);
  // Paper shows every chart, not only those that were scrolled to.
  addEventListener("beforeprint", () => document.querySelectorAll(".rt-plot:not([data-drawn])").forEach(draw));
  /* From a folder there is no instant navigation, and Material's stream of pages ends before the first one. */
  if (location.protocol === "file:") enter();
  else document$.subscribe(enter);
})();
