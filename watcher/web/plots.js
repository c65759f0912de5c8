// The plots: bars of inline SVG, drawn from the hours that the agent counted, and the same numbers as a table.

import { bytes, counted, duration, make } from './basics.js';
import { showBetween } from './outcomes.js';

const HEIGHT = 128;
const TOP = 16;
const BOTTOM = 18;
const SVG = 'http://www.w3.org/2000/svg';
const $ = (id) => document.getElementById(id);
let data = { until: new Date().toISOString(), hours: {} };
let days = false;

/** Show the hours that the agent told of: {until, hours: {"2026-11-23T19": {done, failed, bytes, held}}}. */
export function showHistory(history) {
  data = history;
  draw();
}

function draw() {
  const rows = days ? byDay() : byHour();
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  $('sums').textContent = `${days ? 'Last 30 days' : 'Last 24 hours'}: ${counted(sum('done'), 'file')} delivered`
    + ` (${bytes(sum('bytes'))}), ${counted(sum('failed'), 'file')} failed, held for ${duration(sum('held'))}.`;
  const figures = [0, 1, 2].map(() => make('figure'));
  $('plots').replaceChildren(...figures); // first: their width is the plots' width
  plot(figures[0], 'Files', rows, [['done', 'done'], ['failed', 'failed']], (value) => value.toLocaleString('en'));
  plot(figures[1], 'Bytes delivered', rows, [['bytes', 'done']], bytes);
  plot(figures[2], 'Time held', rows, [['held', 'held']], duration);
  const columns = [[days ? 'day' : 'hour'], ['files delivered', 'number'], ['files failed', 'number'], ['bytes delivered', 'number'], ['time held', 'number']];
  const lines = rows.filter((row) => row.done || row.failed || row.held).map((row) => make('tr', {},
    make('th', { scope: 'row' }, ...(row.done || row.failed ? [chooser(row)] : [row.label])),
    ...[row.done.toLocaleString('en'), row.failed.toLocaleString('en'), bytes(row.bytes), duration(row.held)]
      .map((text) => make('td', { class: 'number', text }))));
  $('history-table').replaceChildren(lines.length
    ? make('table', {}, make('thead', {}, make('tr', {}, ...columns.map(([text, kind]) => make('th', { scope: 'col', class: kind, text })))),
      make('tbody', {}, ...lines))
    : make('p', { class: 'empty', text: 'Nothing happened in this time.' }));
}

/** A button for those who do not point at a bar. */
function chooser(row) {
  const button = make('button', { type: 'button', class: 'plain', 'aria-label': `${row.label}: show its outcomes`, text: row.label });
  button.addEventListener('click', () => showBetween(row));
  return button;
}

const none = () => ({ done: 0, failed: 0, bytes: 0, held: 0 });

function byHour() {
  const last = new Date(data.until);
  last.setMinutes(0, 0, 0);
  return Array.from({ length: 24 }, (_, index) => {
    const start = new Date(last.getTime() - (23 - index) * 3600e3);
    const label = start.toLocaleString('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
    const span = { start, end: new Date(start.getTime() + 3600e3) };
    return { ...span, ...(data.hours[start.toISOString().slice(0, 13)] ?? none()), label, short: start.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' }) };
  });
}

/** Add the hours up to days of the reader's time zone. */
function byDay() {
  const end = new Date(data.until);
  const rows = new Map();
  for (let index = 29; index >= 0; index -= 1) {
    const day = new Date(end.getFullYear(), end.getMonth(), end.getDate() - index);
    const label = day.toLocaleDateString('en-GB', { weekday: 'short', day: 'numeric', month: 'short' });
    const after = new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1);
    rows.set(day.toDateString(), { start: day, end: after, ...none(), label, short: day.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' }) });
  }
  for (const [hour, counts] of Object.entries(data.hours)) {
    const row = rows.get(new Date(`${hour}:00:00Z`).toDateString());
    if (row) for (const key of Object.keys(none())) row[key] += counts[key];
  }
  return [...rows.values()];
}

/** Draw one plot: stacked bars of `parts`, each a key of the rows and the class of its colour. */
function plot(figure, title, rows, parts, words) {
  const width = Math.max(200, figure.clientWidth);
  const most = Math.max(...rows.map((row) => parts.reduce((sum, [key]) => sum + row[key], 0)));
  const picture = svg('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': `${title}, ${days ? 'by day' : 'by hour'}: at most ${words(most)}. The table below has the numbers.` });
  const ground = HEIGHT - BOTTOM;
  const step = width / rows.length;
  for (const [index, row] of rows.entries()) {
    let top = ground;
    const isFull = row.done || row.failed;
    const bar = svg('g', isFull ? { class: 'full' } : {}, svg('title', {}, `${row.label}: ${parts.map(([key]) => `${parts.length > 1 ? `${key} ` : ''}${words(row[key])}`).join(', ')}`),
      svg('rect', { x: index * step, y: TOP, width: step, height: ground - TOP, opacity: 0 }));
    for (const [key, kind] of parts) {
      // What happened once among thousands is still seen: two pixels at least.
      const height = row[key] ? Math.max(2, ((ground - TOP) * row[key]) / most) : 0;
      top -= height;
      if (height) bar.append(svg('rect', { class: kind, x: index * step + step * 0.12, y: Math.max(top, TOP - 4), width: step * 0.76, height, rx: 1 }));
    }
    if (isFull) bar.addEventListener('click', () => showBetween(row));
    picture.append(bar);
  }
  picture.append(svg('line', { class: 'axis', x1: 0, x2: width, y1: ground + 0.5, y2: ground + 0.5 }));
  picture.append(most ? svg('text', { x: 0, y: 11 }, words(most))
    : svg('text', { x: width / 2, y: ground - 8, 'text-anchor': 'middle' }, 'none'));
  const middle = Math.floor(rows.length / 2);
  picture.append(svg('text', { x: 0, y: HEIGHT - 4 }, rows[0].short),
    svg('text', { x: (middle + 0.5) * step, y: HEIGHT - 4, 'text-anchor': 'middle' }, rows[middle].short),
    svg('text', { x: width, y: HEIGHT - 4, 'text-anchor': 'end' }, days ? 'today' : 'now'));
  const heading = make('h3', { text: title });
  if (parts.length > 1) for (const [key, kind] of parts) heading.append(make('span', { class: 'key' }, make('i', { class: kind }), key));
  figure.append(heading, picture);
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

for (const [id, wanted] of [['show-24h', false], ['show-30d', true]]) {
  $(id).addEventListener('click', () => {
    days = wanted;
    $('show-24h').setAttribute('aria-pressed', String(!days));
    $('show-30d').setAttribute('aria-pressed', String(days));
    draw();
  });
}
let width = 0;
new ResizeObserver(() => {
  if ($('plots').clientWidth !== width) {
    width = $('plots').clientWidth;
    draw();
  }
}).observe($('plots'));
