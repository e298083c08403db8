// Keeps a page fresh: every part of it that the broker rendered anew is put in place, and the
// figures are redrawn where their data changed. No framework, no build: read it as it is served.
"use strict";

const PERIOD_MS = 2000;
const MOST_PERIOD_MS = 15000;
const SOURCES = ["model", "family", "request", "default"];
const darkness = matchMedia("(prefers-color-scheme: dark)");
const state = { parts: {}, figures: {}, seen: "", failures: 0, timer: 0 };

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function plain(words) {
  return String(words).replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

// ---- the parts that the broker renders ----

function selectedWithin(part) {
  const selection = getSelection();
  return selection && !selection.isCollapsed && part.contains(selection.anchorNode);
}

function put(part, html) {
  if (state.parts[part.id] === html || selectedWithin(part)) return; // let people copy what they read
  const focused = part.contains(document.activeElement) && document.activeElement;
  const address = focused && focused.getAttribute("href");
  state.parts[part.id] = html;
  part.innerHTML = html;
  if (address) [...part.querySelectorAll("a")].find((a) => a.getAttribute("href") === address)?.focus();
}

// ---- the end of a log ----

const LOG_CHARACTERS = 64000;

function append(log) {
  const box = document.getElementById("log");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
  box.dataset.cursor = log.cursor;
  if (!log.fresh && !log.text) return;
  box.textContent = ((log.fresh ? "" : box.textContent) + log.text).slice(-LOG_CHARACTERS);
  document.getElementById("no-log").hidden = box.textContent !== "";
  if (atEnd) box.scrollTop = box.scrollHeight;
}

// ---- the figures ----

function ticks(low, high) {
  const steps = Math.log10(high / low) > 2.2 ? [1] : [1, 2, 5];
  const found = [];
  for (let decade = Math.floor(Math.log10(low)); decade <= Math.ceil(Math.log10(high)); decade += 1) {
    for (const step of steps) {
      const value = Number((step * 10 ** decade).toPrecision(1));
      if (value >= low && value <= high) found.push(value);
    }
  }
  return found;
}

function axis(title) {
  return {
    title: { text: title, standoff: 6, font: { size: 12 } }, gridcolor: colour("grid"),
    linecolor: colour("edge"), zeroline: false, automargin: true, exponentformat: "none", nticks: 6,
  };
}

function logAxis(title, [low, high]) {
  const tickvals = ticks(low, high);
  const ticktext = tickvals.map((value) => value.toLocaleString("en", { maximumFractionDigits: 6 }));
  return { ...axis(title), type: "log", range: [Math.log10(low), Math.log10(high)], tickvals, ticktext };
}

function layout(extra) {
  return {
    margin: { l: 52, r: 12, t: 8, b: 40 }, paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("soft") },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 12 } },
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("edge"), font: { color: colour("ink"), size: 12 } },
    hovermode: "closest", uirevision: "keep", ...extra,
  };
}

function scatter(figure) {
  const [low, high] = figure.line;
  const line = { x: [low, high], y: [low, high], mode: "lines", hoverinfo: "skip", showlegend: false,
    line: { color: colour("soft"), width: 1, dash: "dot" } };
  const clouds = SOURCES.filter((source) => figure.points[source]).map((source) => {
    const points = figure.points[source];
    return { x: points.predicted, y: points.actual, mode: "markers", name: source, type: "scatter",
      text: points.family.map((place) => plain(figure.families[place])),
      marker: { size: 6, color: colour(source), opacity: 0.6, line: { width: 0 } },
      hovertemplate: `<b>%{text}</b><br>predicted %{x:.3~g} ${figure.unit}<br>` +
        `measured %{y:.3~g} ${figure.unit}<br>by ${source}<extra></extra>` };
  });
  const axes = { xaxis: logAxis("predicted", figure.line), yaxis: logAxis("measured", figure.line) };
  return [[line, ...clouds], layout({ ...axes, showlegend: clouds.length > 0 })];
}

function waste(figure) {
  const at = figure.at_s.map((seconds) => new Date(seconds * 1000));
  const lines = ["used", "given", "asked"].map((name) => ({
    x: at, y: figure[name], name, mode: "lines",
    line: { color: colour(name), width: 2, dash: name === "asked" ? "dash" : "solid" },
    fill: name === "used" ? "tozeroy" : undefined, fillcolor: name === "used" ? `${colour("used")}22` : undefined,
    hovertemplate: `%{y:.3~g} GiB-h ${name}<extra></extra>` }));
  const axes = { xaxis: { ...axis(""), title: undefined, type: "date", nticks: 8 }, yaxis: { ...axis("GiB-hours"), rangemode: "tozero" } };
  const looks = layout({ ...axes, hovermode: "x unified" });
  return [lines, { ...looks, legend: { ...looks.legend, traceorder: "reversed" } }];
}

function draw(name) {
  const holder = document.querySelector(`[data-figure="${name}"]`);
  const figure = state.figures[name];
  if (!holder || !window.Plotly) return;
  const canvas = holder.querySelector(".canvas");
  holder.querySelector("[data-empty]").hidden = Boolean(figure);
  if (!figure) return;
  holder.hidden = false;
  const [traces, looks] = name === "waste" ? waste(figure) : scatter(figure);
  window.Plotly.react(canvas, traces, looks, { displayModeBar: false, responsive: true });
}

function drawAll() {
  document.querySelectorAll("[data-figure]").forEach((holder) => draw(holder.dataset.figure));
}

// ---- the heartbeat ----

function say(words, lost) {
  const live = document.getElementById("live");
  live.classList.toggle("lost", lost);
  const holder = document.getElementById("live-words");
  if (holder.textContent !== words) holder.textContent = words;
}

async function refresh() {
  clearTimeout(state.timer);
  if (document.hidden) return; // taken up again when somebody looks
  try {
    const address = new URL(document.body.dataset.live, location.href);
    address.searchParams.set("seen", state.seen);
    const log = document.getElementById("log");
    if (log) address.searchParams.set("log", log.dataset.cursor);
    const answer = await fetch(address, { headers: { accept: "application/json" }, cache: "no-store" });
    if (answer.status === 401) return say("not live: the broker does not know your token any more; reload to give another", true);
    if (!answer.ok) throw new Error(`the broker answered ${answer.status}`);
    show(await answer.json());
    state.failures = 0;
    say("live", false);
  } catch (error) {
    state.failures += 1;
    if (state.failures > 1) say(`not live: ${error.message}; trying again`, true);
  }
  const pause = Math.min(MOST_PERIOD_MS, PERIOD_MS * 2 ** Math.max(0, state.failures - 1));
  state.timer = setTimeout(refresh, pause);
}

function show(fresh) {
  for (const [name, html] of Object.entries(fresh.parts)) {
    const part = document.getElementById(name);
    if (part) put(part, html);
  }
  if (fresh.log) append(fresh.log);
  state.seen = fresh.seen ?? "";
  if (!fresh.figures) return; // nothing ended since the last answer
  state.figures = fresh.figures;
  drawAll();
}

function start() {
  if (!document.body.dataset.live) return; // a page of an error has nothing to refresh
  const first = document.getElementById("figures");
  if (first) state.figures = JSON.parse(first.textContent);
  state.seen = document.body.dataset.seen ?? "";
  drawAll();
  const log = document.getElementById("log");
  if (log) log.scrollTop = log.scrollHeight;
  darkness.addEventListener("change", drawAll);
  document.addEventListener("visibilitychange", refresh);
  state.timer = setTimeout(refresh, PERIOD_MS);
}

document.addEventListener("DOMContentLoaded", start);
