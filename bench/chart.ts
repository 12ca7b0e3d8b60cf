/** The chart of a comparison: for each workload and precision a bar an implementation, its speed relative to the best peer's. */
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { bestPeer, bestVariants, isOwn, isTrusted, referenceLoss, type Row } from './row.js';

/** Grey enough for white paper and for black. */
const TEXT = '#7d8590';
const OWN = '#2f81f7';
const PEER = '#8b949e';

export interface Bar {
  readonly workload: string;
  readonly precision: string;
  readonly implementation: string;
  /** Samples a second over the best peer's. */
  readonly ratio: number;
  readonly own: boolean;
}

/** The bars: what trained another network, and workloads without a peer, have none. */
export function barsOf(rows: readonly Row[]): Bar[] {
  return [...new Set(rows.map((r) => r.workload))].flatMap((workload) => {
    const all = rows.filter((r) => r.workload === workload);
    const reference = referenceLoss(all);
    return [...new Set(all.map((r) => r.precision))].flatMap((precision) => {
      const peer = bestPeer(all, precision);
      if (!peer) return [];
      const shown = bestVariants(all.filter((r) => r.precision === precision && (r.loss === null || isTrusted(r, reference))));
      return shown.map((r) => ({
        workload,
        precision,
        implementation: r.implementation,
        ratio: r.samples_per_s / peer.samples_per_s,
        own: isOwn(r),
      }));
    });
  });
}

/** The bars of one workload in one precision; all such charts have one scale. */
function cell(bars: readonly Bar[], longest: number) {
  const { workload, precision } = bars[0]!;
  return {
    title: `${workload}, ${precision}`,
    width: 320,
    height: { step: 18 },
    data: { values: [...bars] },
    encoding: {
      y: { field: 'implementation', type: 'nominal', sort: null, title: null },
      x: { field: 'ratio', type: 'quantitative', scale: { domain: [0, longest] }, title: null },
    },
    layer: [
      {
        mark: { type: 'bar', cornerRadiusEnd: 2 },
        encoding: { color: { condition: { test: 'datum.own', value: OWN }, value: PEER } },
      },
      {
        mark: { type: 'text', align: 'left', dx: 4, color: TEXT },
        encoding: { text: { field: 'ratio', type: 'quantitative', format: '.2f' } },
      },
    ],
  } as const;
}

/** @returns SVG with a transparent ground: a row of charts a workload, a chart a precision */
export async function chartSvg(rows: readonly Row[]): Promise<string> {
  const bars = barsOf(rows);
  const longest = Math.max(...bars.map((b) => b.ratio));
  const cells = (workload: string) => {
    const own = bars.filter((b) => b.workload === workload);
    return [...new Set(own.map((b) => b.precision))].map((p) =>
      cell(
        own.filter((b) => b.precision === p),
        longest,
      ),
    );
  };
  const spec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: 'Samples a second, relative to the fastest other library',
    vconcat: [...new Set(bars.map((b) => b.workload))].map((workload) => ({ hconcat: cells(workload) })),
    config: {
      background: 'transparent',
      font: 'sans-serif',
      title: { color: TEXT, anchor: 'start' },
      view: { stroke: null },
      axis: { labelColor: TEXT, labelLimit: 320, domain: false, ticks: false },
      axisX: { gridColor: TEXT, gridOpacity: 0.25 },
    },
  } as unknown as TopLevelSpec;
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
