/* SPDX-License-Identifier: ISC
 *
 * trace/cmd/page.js - the page of `gort trace html`: the data, and words for it.
 * With page_lanes.js and page_tables.js it is one function.
 *
 * Text comes from the trace and may be anything: it gets into the document by
 * textContent and createTextNode only, never as HTML.
 *
 * Times are ns from the beginning of what of the trace is here; shown are those
 * from the beginning of the trace.
 */
'use strict';
(() => {

const $ = id => document.getElementById(id);
const started = performance.now();

/* --- data: in the order in which html_out.c writes it --- */

const RUNNABLE = 2, RUNNING = 3, WAITING = 4, SYSCALL = 5, MERGED = 6;
const STATES = ['', '', 'runnable', 'running', 'waiting', 'system call',
	'several spans'];
const OVERVIEW = 2048;

function take(id)
{
	const e = $(id), text = e.textContent;

	e.remove();
	return text;
}

function bytesOf(base64)
{
	if (Uint8Array.fromBase64)
		return Uint8Array.fromBase64(base64);
	const s = atob(base64), b = new Uint8Array(s.length);

	for (let i = 0; i < s.length; i++)
		b[i] = s.charCodeAt(i);
	return b;
}

function reader(buf)
{
	let pos = 0;

	return () => {
		let b = buf[pos++], v = b & 127, m = 128;

		for (; b >= 128; m *= 128) {
			b = buf[pos++];
			v += (b & 127) * m;
		}
		return v;
	};
}

/* One of the two sets of lanes, by columns. */
function readLanes(next, set)
{
	const lanes = [];
	let n = 0;

	for (let i = 0; i < set.lanes.length; i += 2) {
		lanes.push({ set, id: set.lanes[i], from: n,
			to: n + set.lanes[i + 1] });
		n += set.lanes[i + 1];
	}
	const column = (type, minus) => {
		const a = new type(n);

		for (let i = 0; i < n; i++)
			a[i] = next() - minus;
		return a;
	};

	set.start = column(Float64Array, 0);
	set.end = column(Float64Array, 0);
	for (const l of lanes)
		for (let i = l.from, t = 0; i < l.to; i++) {
			set.start[i] += t;
			t = set.end[i] += set.start[i];
		}
	set.state = column(Uint8Array, 0);
	set.who = column(Float64Array, 1);
	set.by = column(Float64Array, 1);
	set.latency = column(Float64Array, 1);
	set.site = column(Uint32Array, 0);
	set.why = column(Uint32Array, 0);
	set.stack = column(Uint32Array, 0);
	set.byStack = column(Uint32Array, 0);
	set.count = column(Uint32Array, 0);
	set.lanes = lanes;
	set.byId = new Map(lanes.map(l => [l.id, l]));
	sum(set, n);
}

/* Time in each state before record i. */
function sum(set, n)
{
	const run = set.sumRunning = new Float64Array(n + 1);
	const able = set.sumRunnable = new Float64Array(n + 1);
	const sys = set.sumSyscall = new Float64Array(n + 1);

	for (let i = 0; i < n; i++) {
		const d = set.end[i] - set.start[i], s = set.state[i];

		run[i + 1] = run[i] + (s === RUNNING ? d :
			s === MERGED ? set.who[i] : 0);
		able[i + 1] = able[i] + (s === RUNNABLE ? d :
			s === MERGED ? set.by[i] : 0);
		sys[i + 1] = sys[i] + (s === SYSCALL ? d :
			s === MERGED ? set.latency[i] : 0);
	}
}

function readListed(next)
{
	const list = new Array(next());

	for (let i = 0; i < list.length; i++)
		list[i] = { id: next(), site: next(), flags: next(),
			begin: next(), life: next(), running: next(),
			runnable: next(), waiting: next(), syscall: next(),
			latency: next(), spans: next() };
	return list;
}

const meta = JSON.parse(take('meta'));
const { strings, frames, sites, plane, glane, duration } = meta;
let nodeFrame, nodeParent, listed, overview;

(() => {
	const next = reader(bytesOf(take('numbers')));
	const n = next() + 1;

	nodeFrame = new Uint32Array(n);
	nodeParent = new Uint32Array(n);
	for (let i = 1; i < n; i++) {
		nodeFrame[i] = next();
		nodeParent[i] = i - next();
	}
	listed = readListed(next);
	overview = [0, 1, 2].map(() => Float64Array.from({ length: OVERVIEW }, next));
	readLanes(next, plane);
	readLanes(next, glane);
})();

const byId = new Map(listed.map(g => [g.id, g]));

/* --- words --- */

function digits(v)
{
	return v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2);
}

function time(ns)
{
	if (ns >= 1e13)
		return `${number(Math.round(ns / 1e9))} s`;
	return ns < 1e3 ? `${Math.round(ns)} ns` : ns < 1e6 ? `${digits(ns / 1e3)} µs` :
		ns < 1e9 ? `${digits(ns / 1e6)} ms` : `${digits(ns / 1e9)} s`;
}

const number = n => n.toLocaleString('en').replaceAll(',', '\u202f');
const plural = (n, word) => `${number(n)} ${word}${n === 1 ? '' : 's'}`;
const percent = (a, b) => b ? `${(a / b * 100).toFixed(1)} %` : '';
const siteName = i => sites[i] && strings[sites[i][0]] || '(unknown)';
const siteOf = g => byId.has(g) ? byId.get(g).site : 0;
const reason = (i, other) => strings[i] || other;

function goName(g, site)
{
	return `G${g} ${siteName(site || siteOf(g))}`;
}

/* Innermost first */
function stackFrames(node)
{
	const out = [];

	for (; node; node = nodeParent[node]) {
		const f = nodeFrame[node] * 3;

		out.push({ func: strings[frames[f]] || '?', file: strings[frames[f + 1]],
			line: frames[f + 2] });
	}
	return out;
}

/* The function that called into the runtime of Go, if it was one. */
function place(node)
{
	const list = stackFrames(node), f = list.find(x => !x.func.startsWith('runtime.')) || list[0];

	return f ? f.func : '';
}

const leaf = node => node ? strings[frames[nodeFrame[node] * 3]] || '?' : '';

/* A time from the beginning of the trace, to the precision of step. */
function clock(since, step)
{
	const t = since + meta.from, all = duration + meta.from;
	const [unit, name] = all < 1e3 ? [1, 'ns'] : all < 1e6 ? [1e3, 'µs'] :
		all < 1e9 ? [1e6, 'ms'] : [1e9, 's'];
	const least = Math.max(0, Math.ceil(Math.log10(unit / step) - 1e-9));
	const n = Math.min(9, least > 3 ? Math.ceil(least / 3) * 3 : least);
	const [whole, part] = (t / unit).toFixed(n).split('.');

	return whole + (part ? '.' + part.replace(/(\d{3})(?=\d)/g, '$1\u2009') : '') +
		'\u2009' + name;
}

/* --- elements --- */

function el(name, attrs, ...children)
{
	const e = document.createElement(name);

	for (const k in attrs)
		if (k.startsWith('on'))
			e.addEventListener(k.slice(2), attrs[k]);
		else
			e.setAttribute(k, attrs[k]);
	e.append(...children.filter(c => c !== null && c !== undefined));
	return e;
}

function svg(name, attrs, ...children)
{
	const e = document.createElementNS('http://www.w3.org/2000/svg', name);

	for (const k in attrs)
		e.setAttribute(k, attrs[k]);
	e.append(...children);
	return e;
}

const link = (text, fn) => el('button', { class: 'link', type: 'button', onclick: fn }, text);
const goLink = (g, site) => g < 0 ? '' : link(goName(g, site), () => selectGo(g));
const atLink = (t, d) => link(clock(t, 1e3), () => zoomTo(t, t + d));

function stackList(node)
{
	const list = el('ol', { class: 'stack' });

	for (const f of stackFrames(node))
		list.append(el('li', {}, f.func, f.file ? el('small', {},
			f.file + (f.line ? `:${f.line}` : '')) : null));
	return node ? list : el('p', { class: 'dim' }, 'no stack');
}

/*
 * columns: [title, cell of row, number?]; rows can be sorted by what cell
 * gives, or by a fourth member if that is an element.
 */
function table(columns, rows, max = 200)
{
	const body = el('tbody'), t = el('table');
	let order = null, down = true;

	const fill = () => {
		body.replaceChildren(...rows.slice(0, max).map(r => el('tr', {},
			...columns.map(c => el('td', c[2] ? { class: 'n' } : {},
				c[1](r) ?? '')))));
	};
	const sortBy = i => {
		const key = columns[i][3];

		down = order === i ? !down : true;
		order = i;
		rows.sort((a, b) => {
			const x = key(a), y = key(b), v = x < y ? -1 : x > y ? 1 : 0;

			return down ? -v : v;
		});
		fill();
	};
	t.append(el('thead', {}, el('tr', {}, ...columns.map((c, i) =>
		el('th', { class: c[2] ? 'n' : '', scope: 'col' }, c[3] ?
			el('button', { type: 'button', title: 'Sort', onclick: () => sortBy(i) }, c[0]) :
			c[0])))), body);
	fill();
	return rows.length > max ? el('div', {}, t, el('p', { class: 'dim' },
		`and ${number(rows.length - max)} more`)) : t;
}
