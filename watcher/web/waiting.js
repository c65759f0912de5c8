// Files that wait in the drop folder, by the reason: the first ten of each, then more on demand.

import { act } from './acts.js';
import { $, counted, fileLink, fill, firstOf, grouped, make, moment, named } from './basics.js';

const FIRST = 10;

/** Where files go, and which of them to which route: for those who do not know yet. */
export function whereTo(drop, routes) {
  return [make('p', { class: 'empty' }, 'Files go into ', named(drop, ''), ', under these names:'),
    make('dl', { class: 'facts' }, ...routes.flatMap((route) => [
      make('dt', {}, make('code', { text: route.names.join(', ') })), make('dd', { text: `→ ${route.name}` })]))];
}

export function showWaiting({ rows, number, ignored, drop, routes }) {
  $('n-waiting').textContent = number ? number.toLocaleString('en') : '';
  const passed = Object.entries(ignored ?? {});
  const count = passed.reduce((sum, [, many]) => sum + many, 0);
  const globs = passed.map(([glob, many]) => `${glob} (${many.toLocaleString('en')})`).join(', ');
  const aside = count ? [make('p', { class: 'quiet', text: `${counted(count, 'file')} ignored, by settle.ignore: ${globs}` })] : [];
  if (!rows.length) {
    const words = count ? 'No file waits in the drop folder.' : 'The drop folder is empty.';
    fill($('waiting'), make('p', { class: 'empty' }, words), ...whereTo(drop, routes), ...aside);
    return;
  }
  const groups = grouped(rows, (row) => (row.stuck ? `stuck: ${row.why}` : row.why));
  const rest = number - rows.length;
  fill($('waiting'),
    ...firstOf(groups, FIRST, 'groups that wait', (some) => make('div', {}, ...some.map(group))),
    ...(rest > 0 ? [make('p', { class: 'quiet', text: `and ${rest.toLocaleString('en')} more, of which the agent has not told the reason` })] : []),
    ...aside);
}

function group({ key, words, rows }) {
  const isOne = rows.length === 1;
  const heading = make('h3', { class: rows[0].stuck ? 'outcome warn' : null }, words,
    ...(isOne ? [] : [make('span', { class: 'count', text: ` ${rows.length.toLocaleString('en')}` })]));
  return make('div', { class: 'group' }, heading,
    ...firstOf(rows, FIRST, `waiting ${key}`, (some) => make('ul', { class: 'files' }, ...some.map((row) => line(row, words)))));
}

function line(row, words) {
  const about = row.stuck || row.why === words ? [] : [make('div', { class: 'quiet', text: row.why })];
  return make('li', {},
    make('div', { class: 'line' }, ...(row.name ? [fileLink(row.name, 'waiting', row.name)] : []),
      make('span', { class: 'quiet' }, row.route ?? 'no route', ...(row.since ? [', since ', moment(row.since)] : [])), ...(row.name ? act('withdraw', row.name, row.key) : [])),
    ...about);
}
