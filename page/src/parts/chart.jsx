import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { hourMinute, stamp } from "../logic/time.js";
import { theme, zone } from "../session.js";
import { useStore } from "../store.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Distances between labels of the axis of time, in seconds. */
const TICKS = [10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600];

/**
 * A chart of uPlot. `data` is uPlot's: times in seconds, then the values of each series. `series` have a label, the name of a colour, and
 * `isBars` or `spanGaps`. `range` are the first and the last time. `format` shows a value, `titleOf` the time at an index. `summary`
 * describes the chart to those who do not see it. `onChoose` gets the index that was clicked.
 */
export function Chart({ onChoose, summary, ...props }) {
  const place = useRef(null);
  const plot = useRef(null);
  const chosen = useStore(theme);
  const shownZone = useStore(zone);
  // uPlot keeps what it gets at its start, so it gets functions that read the newest.
  const latest = useRef(null);
  latest.current = { ...props, onChoose, shownZone };

  useEffect(() => {
    const element = place.current;
    const make = () => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(element, latest), latest.current.data, element);
    };
    const sizes = new ResizeObserver(() => {
      const { width, height } = plot.current;
      if (width !== element.clientWidth) {
        plot.current.setSize({ width: element.clientWidth, height });
      }
    });
    make();
    sizes.observe(element);
    dark.addEventListener("change", make);
    return () => {
      dark.removeEventListener("change", make);
      sizes.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [chosen, shownZone]);

  useEffect(() => plot.current.setData(props.data), [props.data]);

  return <div ref={place} class={onChoose ? "chart clickable" : "chart"} role="img" aria-label={summary} />;
}

/** Returns a colour of the style sheet for the theme that is shown. The value of the property itself has the colours of both. */
function colourOf(element, name) {
  const probe = element.appendChild(document.createElement("i"));
  probe.style.color = `var(--${name})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function optionsOf(element, latest) {
  const style = getComputedStyle(element);
  const colour = (name) => colourOf(element, name);
  const axis = { stroke: colour("muted"), font: `12px ${style.fontFamily}`, ticks: { show: false } };
  const format = (value) => latest.current.format(value);
  const { series, height = 170 } = latest.current;
  const hasBars = series.some(({ isBars }) => isBars);
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: !hasBars } },
    padding: [8, 20, 0, 0],
    scales: { x: { time: false, range: () => latest.current.range }, y: { range: () => [0, ceilingOf(latest.current.data)] } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 28,
        space: 60,
        incrs: TICKS,
        values: (_, splits) => splits.map((at) => tick(at, latest.current)),
      },
      {
        ...axis,
        grid: { stroke: colour("line"), width: 1 },
        space: 36,
        size: (_, values) => 16 + 7 * Math.max(2, ...(values ?? []).map((value) => value.length)),
        values: (_, splits) => splits.map(format),
      },
    ],
    series: [{}, ...series.map((one) => seriesOf(one, colour(one.colour)))],
    plugins: [pointer(latest)],
  };
}

/** Returns the time of day at a tick, with seconds where ticks are less than a minute apart. */
function tick(at, { range: [first, last], shownZone }) {
  return last - first < 600 ? stamp(at * 1_000, shownZone).slice(11) : hourMinute(at * 1_000, shownZone);
}

function seriesOf({ label, isBars, spanGaps = false }, stroke) {
  const common = { label, stroke, points: { show: false } };
  return isBars
    ? { ...common, fill: stroke, width: 0, paths: uPlot.paths.bars({ size: [0.75, 40] }) }
    : { ...common, width: 1.75, spanGaps };
}

/** Returns the upper end of the axis of values. */
function ceilingOf(data) {
  const highest = data.slice(1).reduce((most, values) => values.reduce((most, value) => Math.max(most, value ?? 0), most), 0);
  return highest === 0 ? 1 : highest * 1.12;
}

/** Shows the values under the pointer, and tells which index was clicked. */
function pointer(latest) {
  const box = document.createElement("div");
  box.className = "tooltip";
  box.hidden = true;
  return {
    hooks: {
      init(plot) {
        plot.over.append(box);
        plot.over.addEventListener("mouseleave", () => (box.hidden = true));
        plot.over.addEventListener("click", () => Number.isInteger(plot.cursor.idx) && latest.current.onChoose?.(plot.cursor.idx));
      },
      setCursor(plot) {
        const { idx, left } = plot.cursor;
        box.hidden = !Number.isInteger(idx) || left < 0;
        if (box.hidden) {
          return;
        }
        const { format, titleOf } = latest.current;
        const values = plot.series.slice(1).map(({ label }, index) => [label, plot.data[index + 1][idx]]);
        const lines = values.filter(([, value]) => value !== null).map(([label, value]) => `${label}: ${format(value)}`);
        box.textContent = [titleOf(idx), ...lines].join("\n");
        box.classList.toggle("at-left", left > plot.over.clientWidth / 2);
      },
    },
  };
}
