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

/** @returns SVG with a transparent ground. */
export async function chartSvg(rows: readonly Row[]): Promise<string> {
  const bars = barsOf(rows);
  const header = { title: null, labelColor: TEXT, labelFontSize: 13, labelFontWeight: 'bold' } as const;
  const spec: TopLevelSpec = {
    background: null as never,
    data: { values: bars },
    facet: {
      row: { field: 'workload', type: 'nominal', sort: null, header: { ...header, labelAngle: 0, labelAlign: 'left' } },
      column: { field: 'precision', type: 'nominal', sort: null, header },
    },
    spec: {
      width: 320,
      height: { step: 18 },
      encoding: {
        y: { field: 'implementation', type: 'nominal', sort: { field: 'ratio', order: 'descending' }, title: null },
      },
      layer: [
        {
          mark: { type: 'bar', cornerRadiusEnd: 2 },
          encoding: {
            x: { field: 'ratio', type: 'quantitative', title: 'samples a second, of the best peer’s' },
            color: { condition: { test: 'datum.own', value: OWN }, value: PEER },
          },
        },
        {
          mark: { type: 'text', align: 'left', dx: 4, color: TEXT },
          encoding: {
            x: { field: 'ratio', type: 'quantitative' },
            text: { field: 'ratio', type: 'quantitative', format: '.2f' },
          },
        },
      ],
    },
    resolve: { scale: { y: 'independent' }, axis: { x: 'independent' } },
    config: {
      font: 'sans-serif',
      view: { stroke: null },
      axis: { labelColor: TEXT, titleColor: TEXT, titleFontWeight: 'normal', labelLimit: 320, domain: false, ticks: false },
      axisX: { gridColor: TEXT, gridOpacity: 0.25 },
    },
  };
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
