/**
 * rnn: a recurrent layer of any cell, or of several, one on top of the other. A stack is run cell by cell, each over the
 * whole sequence: the same numbers as step by step, since a cell hands on nothing but what it yields.
 */
import { GradstepError, optionError } from '../errors.js';
import type { Check, Checked, SchemaOf } from '../options.js';
import { defineCell, type Cell, type CellRun } from './cell.js';
import { Layer, type LayerOptions } from './define_layer.js';
import { innerContext, innerWeights } from './inner_layer.js';
import { defineRecurrent, type RecurrentOptions } from './recurrent.js';

export interface StackedRNNCellsOptions extends LayerOptions {
  /** Cells, of which each takes what the one before it yields. */
  cells: readonly Layer[];
}

export interface RNNOptions extends RecurrentOptions {
  /** `simpleRNNCell`, `lstmCell`, `gruCell` or `stackedRNNCells`, or an array of them, which is a stack. */
  cell: Layer | readonly Layer[];
}

const ANY = 'recurrent cell, such as layers.lstmCell makes';

/** The cell that a layer is. */
const cellOf = (layer: Layer): Cell => layer.parts.cell!;
const isCell = (value: unknown): value is Layer => value instanceof Layer && value.parts.cell !== undefined;

function checkCell(value: unknown, name: string, expected: string): void {
  if (!isCell(value)) throw optionError(name, expected, value);
  if (!value.activityRegularizer) return;
  throw optionError(`${name}.activityRegularizer`, 'none, as the layer around a cell takes it,', value.activityRegularizer);
}

const cells: Check<readonly Layer[]> = (value, name) => {
  if (!Array.isArray(value) || value.length === 0) throw optionError(name, `array of at least one ${ANY}`, value);
  value.forEach((v: unknown, i) => {
    checkCell(v, `${name}[${i}]`, ANY);
    if (value.indexOf(v) === i) return;
    throw new GradstepError(
      'ERR_OPTION',
      `Expected a cell of its own for ${name}[${i}] but received one that stands in the stack`,
    );
  });
  const list = [...(value as Layer[])];
  const twice = list.findIndex((c, i) => c.name !== undefined && list.findIndex((d) => d.name === c.name) !== i);
  if (twice >= 0) throw optionError(`${name}[${twice}].name`, 'name of its own', list[twice]!.name);
  return list;
};

const cellOrCells: Check<Layer | readonly Layer[]> = (value, name) => {
  if (Array.isArray(value)) return cells(value, name);
  checkCell(value, name, `${ANY}, or array of them`);
  return value as Layer;
};

/** What weights and states of the cells go by: their names, or their kinds, numbered where one occurs again. */
function prefixes(layers: readonly Layer[]): string[] {
  const taken = new Set(layers.map((l) => l.name));
  return layers.map((layer) => {
    if (layer.name !== undefined) return layer.name;
    const { baseName } = layer.parts;
    let own = baseName;
    for (let n = 1; taken.has(own); n++) own = `${baseName}_${n}`;
    taken.add(own);
    return own;
  });
}

/** Cells one on top of the other as one cell. */
function stackOf(layers: readonly Layer[]): Cell {
  const names = prefixes(layers);
  /** Shape of one step of each cell's inputs. */
  const steps = (step: readonly number[]) => {
    const shapes = [step];
    for (const layer of layers.slice(0, -1)) shapes.push(cellOf(layer).output(shapes.at(-1)!));
    return shapes;
  };
  return {
    axes: cellOf(layers[0]!).axes,
    weights: (step) => steps(step).flatMap((s, i) => innerWeights(layers[i]!, names[i]!, [s])),
    states: (step) =>
      steps(step).flatMap((s, i) =>
        cellOf(layers[i]!)
          .states(s)
          .map(({ role, shape }) => ({ role: `${names[i]!}/${role}`, shape })),
      ),
    output: (step) => cellOf(layers.at(-1)!).output(steps(step).at(-1)!),
    run(x, { context, states, mask, direction }) {
      let made: ReturnType<Cell['run']> = { y: x, last: x, states: [] };
      let used = 0;
      const ends = layers.flatMap((layer, i) => {
        const cell = cellOf(layer);
        const needed = cell.states(made.y.shape.slice(2)).length;
        const run: CellRun = {
          context: innerContext(context, names[i]!),
          states: states.slice(used, (used += needed)),
          mask,
          // What is handed on stays at its step; only the last results are in the order in which they were made.
          direction: direction === 'reversed' && i < layers.length - 1 ? 'backward' : direction,
        };
        made = cell.run(made.y, run);
        return made.states;
      });
      return { ...made, states: ends };
    },
  };
}

const stackedOptions = { cells } satisfies SchemaOf<Omit<StackedRNNCellsOptions, keyof LayerOptions>>;
const options = { cell: cellOrCells } satisfies SchemaOf<Omit<RNNOptions, keyof RecurrentOptions>>;

const makeStack = defineCell({
  className: 'StackedRNNCells',
  factory: 'stackedRNNCells',
  baseName: 'stacked_rnn_cells',
  options: stackedOptions,
  cell: (o: Checked<typeof stackedOptions>) => stackOf(o.cells),
});

const make = defineRecurrent({
  className: 'RNN',
  factory: 'rnn',
  baseName: 'rnn',
  options,
  cell: ({ cell }: Checked<typeof options>) => stackOf(cell instanceof Layer ? [cell] : cell),
});

/**
 * A recurrent layer of a cell, or of a stack of cells: [rows, time, features] → [rows, units of the last], or
 * [rows, time, units] with `returnSequences`. Apply it to [x, …states] for initial states, of all cells in order. Weights
 * are those of the cells, under their names: `rnn/lstm_cell/kernel`.
 */
export function rnn(options: RNNOptions): Layer {
  return make(options);
}

/** Cells, each of which takes what the one before yields, as one cell: for `rnn`, or applied to [x, …states of all cells]. */
export function stackedRNNCells(options: StackedRNNCellsOptions): Layer {
  return makeStack(options);
}
