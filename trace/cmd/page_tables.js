/* SPDX-License-Identifier: ISC
 *
 * trace/cmd/page_tables.js - the histograms and tables of `gort trace html`, and
 * where it all begins; after page_lanes.js.
 */

/* --- histograms --- */

const bucketStart = i => i < 16 ? i : ((i - (Math.floor(i / 16) - 1) * 16)) *
	2 ** (Math.floor(i / 16) - 1);

function quantile(h, q)
{
	const want = q * h.count;
	let seen = 0;

	for (let k = 0; k < h.buckets.length; k += 2) {
		seen += h.buckets[k + 1];
		if (seen >= want)
			return Math.min(h.max, (bucketStart(h.buckets[k]) +
				bucketStart(h.buckets[k] + 1)) / 2);
	}
	return h.max;
}

const QUANTILES = [['median', 0.5], ['90 %', 0.9], ['99 %', 0.99], ['99.9 %', 0.999]];

function histogram(h, title)
{
	const w = 520, height = 150, base = height - 18, left = 8;
	const lo = Math.floor(Math.log10(Math.max(1, bucketStart(h.buckets[0]))));
	const hi = Math.max(lo + 1, Math.ceil(Math.log10(Math.max(2, h.max + 1))));
	const x = v => left + (Math.log10(Math.max(1, v)) - lo) / (hi - lo) * (w - 2 * left);
	/* Bars of equal width: eight to a power of ten. */
	const bars = new Array((hi - lo) * 8).fill(0);
	const out = svg('svg', { width: w, height, viewBox: `0 0 ${w} ${height}`, role: 'img',
		'aria-label': `${title}: ` +
			QUANTILES.map(([n, q]) => `${n} ${time(quantile(h, q))}`).join(', ') });

	for (let k = 0; k < h.buckets.length; k += 2) {
		const v = Math.max(1, (bucketStart(h.buckets[k]) + bucketStart(h.buckets[k] + 1)) / 2);

		bars[Math.min(bars.length - 1, Math.floor((Math.log10(v) - lo) * 8))] += h.buckets[k + 1];
	}
	const max = Math.max(...bars), each = (w - 2 * left) / bars.length;

	bars.forEach((n, i) => {
		const tall = n ? Math.max(1.5, n / max * (base - 4)) : 0;
		const from = 10 ** (lo + i / 8), to = 10 ** (lo + (i + 1) / 8);

		if (n)
			out.append(svg('rect', { class: 'bar', x: left + i * each + 0.5, y: base - tall,
				width: each - 1, height: tall },
			svg('title', {}, `${time(from)} to ${time(to)}: ${number(n)}`)));
	});
	out.append(svg('line', { class: 'axis', x1: left, x2: w - left, y1: base, y2: base }));
	for (let e = lo; e <= hi; e++)
		out.append(svg('text', { x: x(10 ** e), y: height - 5, 'text-anchor': e === lo ? 'start' :
			e === hi ? 'end' : 'middle' }, time(10 ** e).replace(/\.0+(?= )/, '')));
	QUANTILES.filter((_, i) => i !== 1).forEach(([n, q], i) => {
		const at = x(quantile(h, q)), y = i * 11 + 9;

		out.append(svg('line', { class: 'q', x1: at, x2: at, y1: y - 8, y2: base }),
			svg('text', { x: at - 3, y, 'text-anchor': 'end' }, n));
	});
	return out;
}

function histPart(h, title, note)
{
	if (!h.count)
		return el('div', {}, el('h2', {}, title), el('p', { class: 'dim' }, 'none'));
	return el('div', {}, el('h2', {}, title), el('div', { class: 'hist' }, histogram(h, title), pairs([
		['number', number(h.count)], ['mean', time(h.sum / h.count)],
		...QUANTILES.map(([n, q]) => [n, time(quantile(h, q))]),
		['longest', time(h.max)], ['in all', time(h.sum)],
	])), el('p', { class: 'dim' }, note));
}

/* --- tables --- */

function latencyTab()
{
	return el('div', { class: 'cols' },
		histPart(meta.latency, 'From runnable to running',
			'By number; the scale of time is logarithmic.'),
		el('div', {}, el('h2', {}, 'Longest'), table([
			['runnable for', r => time(r[1]), true, r => r[1]],
			['until', r => link(clock(r[0], 1e3), () => goToLatency(r)), true, r => r[0]],
			['goroutine', r => goLink(r[2], r[6]), false, r => r[2]],
			['then on', r => r[3] >= 0 ? `P${r[3]}` : '', false, r => r[3]],
			['woken by', r => r[4] >= 0 ? goLink(r[4]) : reason(r[7], ''), false, r => r[4]],
			['at', r => place(r[5])],
		], meta.latencies.slice(), 100)));
}

function goToLatency(r)
{
	const lane = glane.byId.get(r[2]) || plane.byId.get(r[3]);

	zoomTo(r[0] - r[1], r[0]);
	if (lane)
		select(lane, Math.min(lane.to - 1, find(lane, lane.set === glane ? r[0] - 1 : r[0])));
}

function pausesTab()
{
	return el('div', { class: 'cols' },
		histPart(meta.stw, 'Pauses: the world is stopped', 'From the request to stop it to its restart.'),
		el('div', {}, el('h2', {}, 'Longest'), table([
			['for', r => time(r[1]), true, r => r[1]],
			['from', r => atLink(r[0], r[1]), true, r => r[0]],
			['why', r => reason(r[4], '')],
			['goroutine', r => goLink(r[2]), false, r => r[2]],
			['at', r => place(r[5])],
		], meta.stw_list.slice(), 100)));
}

function waitsTab()
{
	const groups = new Map();

	for (const w of meta.waits) {
		if (!groups.has(w[0]))
			groups.set(w[0], { why: w[0], n: 0, sum: 0, max: 0, list: [] });
		const g = groups.get(w[0]);

		g.n += w[2];
		g.sum += w[3];
		g.max = Math.max(g.max, w[4]);
		g.list.push(w);
	}
	const all = [...groups.values()].sort((a, b) => b.sum - a.sum);

	return el('div', {}, el('h2', {}, 'What goroutines wait for'), table([
		['why', g => reason(g.why, '(began before the trace)')],
		['times', g => number(g.n), true, g => g.n],
		['in all', g => time(g.sum), true, g => g.sum],
		['mean', g => time(g.sum / g.n), true, g => g.sum / g.n],
		['longest', g => time(g.max), true, g => g.max],
		['where', waitStacks],
	], all));
}

function waitStacks(g)
{
	const box = el('div'), d = el('details', {}, el('summary', {},
		`${plural(g.list.length, 'stack')}, most at ${place(g.list[0][1]) || '?'}`), box);

	d.addEventListener('toggle', () => {
		if (!box.firstChild)
			box.append(...g.list.slice(0, 50).map(w => el('div', {},
				el('h3', {}, `${time(w[3])} in all, ${plural(w[2], 'time')}, longest ${time(w[4])}`),
				stackList(w[1]))));
	});
	return d;
}

function sectionsTab()
{
	if (!meta.nonpreempt.count)
		return el('p', { class: 'dim' }, 'There are none in this trace. They are ' +
			'written while the profiler of non-preemptible sections runs, with a ' +
			'threshold, and marks long sections in the trace.');
	return el('div', { class: 'cols' },
		histPart(meta.nonpreempt, 'Non-preemptible sections over the threshold',
			'Only those marked in the trace.'),
		el('div', {}, el('h2', {}, 'By kind'), table([
			['what', r => reason(r[0], '')],
			['number', r => number(r[2]), true, r => r[2]],
			['in all', r => time(r[3]), true, r => r[3]],
			['longest', r => time(r[4]), true, r => r[4]],
		], meta.kinds.slice(), 50)),
		el('div', {}, el('h2', {}, 'Longest'), table([
			['for', r => time(r[1]), true, r => r[1]],
			['from', r => atLink(r[0], r[1]), true, r => r[0]],
			['what', r => reason(r[4], '')],
			['on', r => r[3] >= 0 ? `P${r[3]}` : '', false, r => r[3]],
			['goroutine', r => goLink(r[2]), false, r => r[2]],
			['begun at', r => r[5] ? foldedStack(r[5]) : ''],
		], meta.sections.slice(), 100)));
}

function goTab()
{
	const shown = listed.filter(g => matches(g.id, g.site));
	const used = sites.map((s, i) => [...s, i]).filter(s => s[2] && (!filter || matches(-1, s[9])));

	return el('div', {}, el('h2', {}, 'By function and place of creation'), table([
		['function', s => link(siteName(s[9]), () => setFilter(siteName(s[9])))],
		['goroutines', s => number(s[2]), true, s => s[2]],
		['ended', s => number(s[3]), true, s => s[3]],
		['running', s => time(s[4]), true, s => s[4]],
		['runnable', s => time(s[5]), true, s => s[5]],
		['waiting', s => time(s[6]), true, s => s[6]],
		['system calls', s => time(s[7]), true, s => s[7]],
		['longest runnable', s => time(s[8]), true, s => s[8]],
		['started at', s => s[1] ? foldedStack(s[1]) : ''],
	], used.sort((a, b) => b[4] + b[5] - a[4] - a[5]), 100),
	el('h2', {}, filter ? `Goroutines: ${filter}` : 'Goroutines'), table([
		['goroutine', g => goLink(g.id, g.site), false, g => g.id],
		['running', g => time(g.running), true, g => g.running],
		['runnable', g => time(g.runnable), true, g => g.runnable],
		['longest runnable', g => time(g.latency), true, g => g.latency],
		['waiting', g => time(g.waiting), true, g => g.waiting],
		['system calls', g => time(g.syscall), true, g => g.syscall],
		['lived', g => time(g.life), true, g => g.life],
		['spans', g => number(g.spans), true, g => g.spans],
	], shown, 200));
}

function foldedStack(node)
{
	const box = el('div'), d = el('details', {}, el('summary', {}, place(node)), box);

	d.addEventListener('toggle', () => box.replaceChildren(stackList(node)));
	return d;
}

/* A function that is on a stack twice counts once. */
function cpuTab()
{
	const flat = new Map(), cum = new Map(), all = meta.samples_total;

	if (!all)
		return el('p', { class: 'dim' }, 'There are none: the CPU profiler did not run.');
	for (const s of meta.samples) {
		const names = new Set(stackFrames(s[1]).map(f => f.func)), top = leaf(s[1]) || '(no stack)';

		flat.set(top, (flat.get(top) || 0) + s[2]);
		for (const f of names.size ? names : [top])
			cum.set(f, (cum.get(f) || 0) + s[2]);
	}
	const funcs = [...cum].map(([f, n]) => [f, flat.get(f) || 0, n]).sort((a, b) => b[1] - a[1]);

	return el('div', { class: 'cols' }, el('div', {},
		el('h2', {}, `${plural(all, 'sample')} by function`), table([
			['function', f => f[0], false, f => f[0]],
			['in it', f => number(f[1]), true, f => f[1]],
			['', f => percent(f[1], all), true],
			['with what it calls', f => number(f[2]), true, f => f[2]],
			['', f => percent(f[2], all), true],
		], funcs, 100)), el('div', {}, el('h2', {}, 'Most frequent stacks'),
		table([
			['samples', s => number(s[2]), true, s => s[2]],
			['', s => percent(s[2], all), true],
			['stack', s => s[1] ? foldedStack(s[1]) : '(none)'],
		], meta.samples.slice(), 100)));
}

/* What could not be drawn, a sentence each. */
function notDrawn()
{
	const cell = set => time(2 ** set.shift), out = [];
	const all = plural(meta.goroutines, 'goroutine');

	if (meta.from || !meta.to_end)
		out.push(`All of the trace before ${clock(0, 1e3)} and after ${clock(duration, 1e3)}: ` +
			'as --from and --to said.');
	if (plane.shift || glane.shift)
		out.push('What is left out because of the size of the trace is in pages of parts ' +
			'of it: options --from and --to.');
	if (plane.shift)
		out.push(`${number(plane.spans)} spans of Ps are drawn from ` +
			`${plural(plane.records, 'record')}: those of a P that lie inside the same ` +
			`${cell(plane)} were made one, with their number and sums. Longer ones are ` +
			'all there.');
	if (plane.left_out)
		out.push(`${plural(plane.left_out, 'span')} of Ps beyond the first 1024.`);
	if (glane.lanes.length < meta.goroutines)
		out.push(`${number(glane.lanes.length)} of ${all} have a lane: eight of each kind, ` +
			'and others, that ran, or were runnable, for the longest time. The ' +
			`${number(glane.left_out)} spans of the rest are in the overview, on the Ps, ` +
			'and in all histograms and sums.');
	if (glane.shift)
		out.push(`${number(glane.spans)} spans of goroutines with a lane are drawn from ` +
			`${plural(glane.records, 'record')}: those inside the same ${cell(glane)} ` +
			'were made one.');
	return out;
}

/* What is not in the tables. */
function notListed()
{
	const out = [], all = plural(meta.goroutines, 'goroutine');
	const some = (n, of, what) => n < of && out.push(`${number(n)} of ${number(of)} ${what}: ` +
		'the longest, or most frequent. Histograms have all.');

	if (listed.length < meta.goroutines)
		out.push(`${number(listed.length)} of ${all} can be searched for: chosen as lanes are.`);
	some(meta.latencies.length, meta.latency.count, 'scheduling latencies are listed');
	some(meta.stw_list.length, meta.stw_list_all, 'pauses are listed and drawn');
	some(meta.gc_list.length, meta.gc_list_all, 'GC cycles are drawn');
	some(meta.sections.length, meta.sections_all, 'non-preemptible sections are listed and drawn');
	some(meta.kinds.length, meta.kinds_all, 'kinds of them are listed');
	some(meta.waits.length, meta.waits_all, 'places of waiting are listed');
	some(meta.samples.length, meta.samples_all, 'stacks of samples are counted');
	if (meta.regions + meta.tasks + meta.logs)
		out.push(`${plural(meta.regions, 'region')}, ${plural(meta.tasks, 'task')} and ` +
			`${plural(meta.logs, 'log')} of the program; \`gort trace events\` has them.`);
	if (meta.unparsed_sections)
		out.push(`${plural(meta.unparsed_sections, 'mark')} of non-preemptible sections ` +
			'without a time.');
	if (meta.strings_dropped)
		out.push('Some names: there were too many different ones.');
	if (meta.stacks_cut)
		out.push(`The inner frames of ${plural(meta.stacks_cut, 'stack')}: there were too ` +
			'many different ones.');
	if (meta.broken)
		out.push('The trace breaks off; what was complete is here.');
	return out;
}

const left = [...notDrawn(), ...notListed()];

function leftTab()
{
	return el('div', {}, el('h2', {}, 'Left out'), left.length ?
		el('ul', {}, ...left.map(text => el('li', {}, text))) :
		el('p', {}, 'Nothing: every span of every goroutine is on this page.'));
}

const TABS = [
	['latency', 'Scheduling latency', latencyTab, meta.latency.count],
	['pauses', 'Pauses', pausesTab, meta.stw.count],
	['waits', 'Blocking', waitsTab, meta.waits.reduce((n, w) => n + w[2], 0)],
	['sections', 'Non-preemptible', sectionsTab, meta.nonpreempt.count],
	['goroutines', 'Goroutines', goTab, meta.goroutines],
	['cpu', 'CPU samples', cpuTab, meta.samples_total],
	['left', 'Left out', leftTab, left.length],
];
let tab = 'latency';

function showTab(name)
{
	const t = TABS.find(x => x[0] === name);

	tab = name;
	for (const b of $('tabs').children) {
		const on = b.id === `tab-${name}`;

		b.setAttribute('aria-selected', on);
		b.tabIndex = on ? 0 : -1;
	}
	$('panel').setAttribute('aria-labelledby', `tab-${name}`);
	$('panel').replaceChildren(t[2]());
	$('panel').scrollTop = 0;
}

function tabKeys(e)
{
	const at = TABS.findIndex(t => t[0] === tab);
	const by = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0;

	if (!by)
		return;
	const next = TABS[(at + by + TABS.length) % TABS.length][0];

	showTab(next);
	$(`tab-${next}`).focus();
	e.stopPropagation();
	e.preventDefault();
}

/* --- begin --- */

function resize()
{
	ratio = Math.min(2, Math.max(1, devicePixelRatio || 1));
	width = Math.max(GUTTER + 50, scroll.clientWidth);
	height = Math.max(60, scroll.clientHeight);
	plot = width - GUTTER;
	canvas.width = Math.round(width * ratio);
	canvas.height = Math.round(height * ratio);
	canvas.style.width = `${width}px`;
	canvas.style.height = `${height}px`;
	mini.width = Math.round(mini.clientWidth * ratio);
	mini.height = Math.round(mini.clientHeight * ratio);
	image = ctx.createImageData(canvas.width, canvas.height);
	pixels = new Uint32Array(image.data.buffer);
	miniImage = null;
	layOut();
	redraw();
}

function begin()
{
	document.title = `${meta.name} – gort trace`;
	$('name').textContent = meta.name;
	$('facts').textContent = [
		time(duration) + (meta.from ? ` from ${clock(0, 1e3)} on` : ''),
		plural(meta.events, 'event'), plural(plane.lanes.length, 'P'),
		plural(meta.goroutines, 'goroutine'),
		meta.to_end ? plural(meta.generations, 'generation') : '',
		`format 1.${meta.version}`, meta.broken ? 'breaks off' : '',
	].filter(s => s).join(' · ');
	for (const [id, title, , n] of TABS)
		$('tabs').append(el('button', { id: `tab-${id}`, type: 'button', role: 'tab',
			'aria-controls': 'panel', onclick: () => showTab(id) },
		title, el('b', {}, number(n))));
	$('tabs').addEventListener('keydown', tabKeys);
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
		readColors();
		miniImage = null;
		redraw();
	});
	addEventListener('resize', resize);
	readColors();
	showNothing();
	showTab(tab);
	resize();
	draw();
}

/* What the page can do, for scripts. */
window.gort = {
	meta, plane, glane, listed, overview, view, setView, zoomBy, zoomTo, select, selectGo,
	setFilter, setActive, showTab, draw, hit, find, rows: () => rows,
	selection: () => sel, drawTime: () => drawTime,
};
begin();
window.gort.loadTime = performance.now() - started;
window.gort.ready = true;

})();
